import dataclasses

from tests.unit.blueprint.build import CACHE, CLUSTER, DB, POOL, blueprint, condition, first, objects

from dharma_handlers.blueprint.decide import decide

SHOP = blueprint(DB, POOL, CACHE)


def policy(component, wanted=SHOP, observed=None):
    return objects(wanted, observed)["NetworkPolicy", f"shop-{component}"]["spec"]


def allowed(rules, direction):
    """(who, port) of all rules, who as compact text."""
    return {(who(peer), port["port"]) for rule in rules for peer in rule.get(direction, [None]) for port in rule["ports"]}


def who(peer):
    if peer is None:
        return "all"
    if "ipBlock" in peer:
        return peer["ipBlock"]["cidr"]
    parts = [
        *peer.get("namespaceSelector", {}).get("matchLabels", {}).values(),
        *peer.get("podSelector", {}).get("matchLabels", {}).values(),
    ]
    return "/".join(parts) or "namespace"


DNS = {("kube-system/kube-dns", 53), ("10.96.0.10/32", 53)}


def test_both_directions_are_denied_but_for_the_rules():
    for component in ("db", "pool", "cache"):
        found = policy(component)
        assert found["policyTypes"] == ["Ingress", "Egress"]
        assert found["podSelector"] == {"matchLabels": {"dharma.io/blueprint": "shop", "dharma.io/component": component}}
        assert all(rule.get("from") for rule in found["ingress"]), "a rule without peers admits everybody"
        assert all(rule.get("to") for rule in found["egress"])


def test_postgres():
    found = policy("db")
    assert allowed(found["ingress"], "from") == {
        ("namespace", 5432),
        ("shop/pool", 5432),
        ("shop/db", 5432),
        ("shop/db", 8008),
        ("dharma-system/iac-dharma", 5432),
        ("dharma-system/iac-dharma", 8008),
    }
    assert allowed(found["egress"], "to") == DNS | {("shop/db", 5432), ("shop/db", 8008), ("10.0.0.1/32", 6443), ("10.96.0.1/32", 443)}


def test_pgbouncer():
    found = policy("pool")
    assert allowed(found["ingress"], "from") == {("namespace", 6432), ("dharma-system/iac-dharma", 6432)}
    assert allowed(found["egress"], "to") == DNS | {("shop/db", 5432)}


def test_redis():
    found = policy("cache")
    assert allowed(found["ingress"], "from") == {("namespace", 6379), ("shop/cache", 6379), ("dharma-system/iac-dharma", 6379)}
    assert allowed(found["egress"], "to") == DNS | {("shop/cache", 6379)}


def test_dns_is_asked_by_both_protocols():
    ports = next(rule for rule in policy("cache")["egress"] if rule["ports"][0]["port"] == 53)["ports"]
    assert ports == [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]


def test_access_by_label_namespace_and_project():
    peers = [
        {"podSelector": {"matchLabels": {"app": "batch"}}},
        {"namespace": "jobs"},
        {"project": "shop", "podSelector": {"matchLabels": {"app": "web"}}},
    ]
    wanted = blueprint(DB, access={"from": peers})
    observed = dataclasses.replace(first(wanted), namespace_labels={"dharma.io/tenant": "acme"})
    found = {who for who, port in allowed(policy("db", wanted, observed)["ingress"], "from") if port == 5432}
    assert found == {"batch", "jobs", "shop/acme/web", "shop/db", "dharma-system/iac-dharma"}


def test_a_project_means_nothing_outside_a_tenant():
    wanted = blueprint(DB, access={"from": [{"namespace": "jobs"}, {"project": "shop"}]})
    assert condition(wanted, first(wanted), "Ready") == (
        "False",
        "InvalidSpec",
        'spec.access.from[1].project: namespace acme-shop belongs to no Tenant, so "shop" means none; name a namespace instead',
    )


def test_an_empty_list_admits_nobody_but_the_parts_and_the_operator():
    wanted = blueprint(DB, POOL, access={"from": []})
    assert allowed(policy("db", wanted)["ingress"], "from") == {
        ("shop/pool", 5432),
        ("shop/db", 5432),
        ("shop/db", 8008),
        ("dharma-system/iac-dharma", 5432),
        ("dharma-system/iac-dharma", 8008),
    }


def test_an_operator_outside_the_cluster_needs_no_rule():
    observed = dataclasses.replace(first(SHOP), cluster=dataclasses.replace(CLUSTER, operator=None))
    assert allowed(policy("pool", SHOP, observed)["ingress"], "from") == {("namespace", 6432)}


def test_unknown_api_servers_are_reached_by_their_usual_ports():
    observed = dataclasses.replace(first(SHOP), cluster=dataclasses.replace(CLUSTER, api_server_endpoints=()))
    assert {("all", 443), ("all", 6443)} <= allowed(policy("db", SHOP, observed)["egress"], "to")


def test_addresses_of_the_sixth_version():
    cluster = dataclasses.replace(CLUSTER, api_server_endpoints=(("fd00::1", 6443),))
    assert ("fd00::1/128", 6443) in allowed(policy("db", SHOP, dataclasses.replace(first(SHOP), cluster=cluster))["egress"], "to")


def test_policies_are_wanted_before_anything_listens():
    outcome = decide(SHOP, first(SHOP)).outcome
    kinds = [one.manifest["kind"] for one in outcome.objects or ()]
    assert kinds.index("NetworkPolicy") < kinds.index("StatefulSet")
