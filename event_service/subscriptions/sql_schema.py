"""The subscriptions' tables. Times are microseconds since 1970 UTC."""

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, select

from event_service.sql_schema import metadata

# One row a subscription. Its lock is the right to divide its partitions among its consumers.
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("content", Text, nullable=False),
    # JSON arrays, sorted.
    Column("codes", Text, nullable=False),
    Column("numbers", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    # 0: it stays for ever.
    Column("remove_unused_us", BigInteger, nullable=False),
    # When it last had a consumer; at first when it was created.
    Column("used_at_us", BigInteger, nullable=False),
)
Index("subscriptions_name", subscriptions.c.tenant_id, subscriptions.c.name, unique=True)

# One row for each subscription and partition: the place up to which everything was acknowledged, and who has it.
subscription_cursors = Table(
    "subscription_cursors",
    metadata,
    Column("subscription_id", Text, nullable=False),
    Column("partition_id", Integer, nullable=False),
    Column("log_offset", BigInteger, nullable=False),
    Column("change_offset", BigInteger, nullable=False),
    Column("acknowledged_at_us", BigInteger),
    # The stream that has the partition until its lease ends; empty: nobody.
    Column("owner", Text, nullable=False),
    # Grows when the partition gets another owner.
    Column("generation", BigInteger, nullable=False),
    Column("leased_until_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("subscription_id", "partition_id", name="subscription_cursors_pkey"),
)
# The same with whose they are: a subscription gets its tenant's calls only.
tenant_cursors = select(
    subscriptions.c.tenant_id,
    subscription_cursors.c.partition_id,
    subscription_cursors.c.log_offset,
    subscription_cursors.c.change_offset,
).join(subscriptions, subscriptions.c.subscription_id == subscription_cursors.c.subscription_id)

# The streams that are open; one that died stays until it expires.
subscription_consumers = Table(
    "subscription_consumers",
    metadata,
    Column("subscription_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("joined_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("subscription_id", "owner", name="subscription_consumers_pkey"),
)
