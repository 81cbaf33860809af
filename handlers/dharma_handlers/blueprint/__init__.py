"""What a Blueprint becomes: Postgres under Patroni, PgBouncer, Redis. Pure functions: `decide(blueprint, observed) -> Decision`."""
