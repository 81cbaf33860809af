import dataclasses
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.blueprint.build import CACHE, DB, POOL, blueprint, empty, first, postgres, scope, verifier

from dharma_handlers.blueprint import scram
from dharma_handlers.blueprint.connection import postgres_connection, redis_connection
from dharma_handlers.blueprint.credentials import missing_secrets, needed_passwords, redis_acl, secrets

SHOP = blueprint(DB, POOL, CACHE)
PASSWORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def texts(wanted, observed):
    return {one["metadata"]["name"]: one["stringData"] for some in secrets(wanted, observed).values() for one in some}


def test_all_secrets_are_made_once_each_password_of_its_own():
    seen = first(SHOP)
    assert sorted(seen.secrets) == ["shop-cache-default", "shop-cache.internal", "shop-db-shop", "shop-db.internal", "shop-pool.internal"]
    passwords = [seen.secrets[name][key] for name, key in needed_passwords(SHOP, seen)]
    assert len(set(passwords)) == len(passwords) == 5 + 1 + 1 + 2 + 1
    assert missing_secrets(SHOP, seen, lambda: pytest.fail("nothing is missing")) == ()


def test_what_was_created_is_what_is_wanted():
    seen = first(SHOP)
    assert texts(SHOP, seen) == dict(seen.secrets)


def test_a_password_that_is_there_is_never_replaced():
    seen = first(SHOP)
    kept = {name: {key: "mine" if key == "password" else value for key, value in data.items()} for name, data in seen.secrets.items()}
    seen = dataclasses.replace(seen, secrets=kept)
    assert missing_secrets(SHOP, seen, lambda: "new") == ()
    found = texts(SHOP, seen)
    assert found["shop-db-shop"]["password"] == "mine"
    assert found["shop-db-shop"]["uri"] == "postgresql://shop:mine@shop-db-rw.acme-shop.svc:5432/shop"


def test_only_a_lost_key_is_made_anew():
    seen = first(SHOP)
    internal = {key: value for key, value in seen.secrets["shop-db.internal"].items() if key != "pooler-password"}
    seen = dataclasses.replace(seen, secrets={**seen.secrets, "shop-db.internal": internal})
    (write,) = missing_secrets(SHOP, seen, lambda: "new")
    assert write.exists
    assert write.manifest["stringData"]["pooler-password"] == "new"
    assert write.manifest["stringData"]["operator-password"] == internal["operator-password"]


def test_a_deleted_secret_gets_its_passwords_back():
    seen = first(SHOP)
    left = {name: data for name, data in seen.secrets.items() if name != "shop-db.internal"}
    (write,) = missing_secrets(SHOP, dataclasses.replace(seen, secrets=left), lambda: "new", remembered=seen.secrets)
    assert not write.exists
    assert write.manifest["stringData"] == dict(seen.secrets["shop-db.internal"])


def test_nothing_is_decided_without_all_passwords():
    with pytest.raises(LookupError, match=r"Secret shop-db\.internal has no operator-password"):
        secrets(SHOP, empty())


def test_a_draft_needs_no_password():
    assert missing_secrets(blueprint(DB, lifecycle="Draft"), empty(), lambda: "new") == ()


def test_passwords_show_in_no_representation():
    written = missing_secrets(SHOP, empty(), lambda: "s3cret")
    assert "s3cret" not in repr(written)
    assert "password0" not in repr(first(SHOP))


def test_pooler_knows_the_lookup_user_and_its_own_admin_alone():
    seen = first(SHOP)
    lines = seen.secrets["shop-pool.internal"]["userlist.txt"].splitlines()
    assert lines == [
        f'"dharma_pooler" "{seen.secrets["shop-db.internal"]["pooler-password"]}"',
        f'"dharma_admin" "{seen.secrets["shop-pool.internal"]["admin-password"]}"',
    ]


def test_acl_holds_digests_and_no_password():
    text = redis_acl(application="alpha", operator="beta", replica="gamma")
    assert not {"alpha", "beta", "gamma"} & set(text.split())
    assert "user default on #8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8 ~* &* +@all -@admin" in text
    assert [line.split()[1] for line in text.splitlines()] == ["default", "dharma-operator", "dharma-replica", "dharma-probe"]


def test_connection_has_exactly_the_promised_keys():
    plain = postgres_connection(scope(blueprint(DB), "db"), "shop", "x")
    assert sorted(plain) == ["dbname", "host", "jdbc-uri", "password", "pgpass", "port", "uri", "user"]
    pooled = postgres_connection(scope(SHOP, "db"), "shop", "x")
    assert sorted(set(pooled) - set(plain)) == ["pooled-host", "pooled-uri"]
    assert pooled["pooled-uri"] == "postgresql://shop:x@shop-pool.acme-shop.svc:6432/shop"
    assert sorted(redis_connection(scope(SHOP, "cache"), "default", "x")) == ["host", "password", "port", "uri"]


def test_a_user_without_a_database_is_led_to_the_first():
    wanted = blueprint(postgres(users=[{"name": "report"}], databases=[{"name": "a", "owner": "ann"}, {"name": "b", "owner": "bob"}]))
    seen = first(wanted)
    assert {user: seen.secrets[f"shop-db-{user}"]["dbname"] for user in ("ann", "bob", "report")} == {"ann": "a", "bob": "b", "report": "a"}


@given(PASSWORD)
def test_every_password_survives_the_uris(password):
    found = postgres_connection(scope(SHOP, "db"), "shop", password)
    for key in ("uri", "pooled-uri"):
        parts = urlsplit(found[key])
        assert (parts.username, unquote(parts.password or ""), parts.path) == ("shop", password, "/shop")
    assert unquote(found["jdbc-uri"].partition("&password=")[2]) == password
    assert found["pgpass"].rstrip("\n").replace("\\:", "\0").replace("\\\\", "\\").split(":")[-1].replace("\0", ":") == password


@given(PASSWORD, PASSWORD)
def test_a_verifier_belongs_to_its_password_and_to_no_other(one, other):
    assert scram.matches(verifier(one, rounds=2), one)
    assert scram.matches(verifier(one, rounds=2), other) == (one == other)


@pytest.mark.parametrize(
    "stored", [None, "", "md5abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z:w", "SCRAM-SHA-256$4096:!!$a:b", "SCRAM-SHA-1$1:YQ==$YQ==:YQ=="]
)
def test_anything_else_is_no_match(stored):
    assert not scram.matches(stored, "x")


def test_verifier_of_the_standard():
    # RFC 7677, section 3: user "user", password "pencil".
    stored = hash_of_rfc()
    assert scram.matches(stored, "pencil")
    assert not scram.matches(stored, "pencils")


def hash_of_rfc():
    import base64
    import hashlib
    import hmac

    # The RFC's exchange fixes salt, rounds, AuthMessage and proof; StoredKey follows from the proof alone.
    salt, rounds = "W22ZaJ0SNY7soEsUEjb6gQ==", 4096
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={salt},i={rounds},c=biws,r={nonce}"
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(salt), rounds)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client_key).digest()
    signature = hmac.digest(stored, message.encode(), "sha256")
    assert bytes(a ^ b for a, b in zip(proof, signature, strict=True)) == client_key
    return f"SCRAM-SHA-256${rounds}:{salt}${base64.b64encode(stored).decode()}:{base64.b64encode(b'server').decode()}"
