import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.blueprint.build import blueprint, changed, condition, member, objects, postgres, running, scope, verifier

from dharma_handlers.blueprint import actions
from dharma_handlers.blueprint.decide import decide
from dharma_handlers.blueprint.observed import DatabaseObserved, RoleObserved, SettingObserved
from dharma_handlers.blueprint.patroni import configuration_patch, dynamic_configuration

PLAIN = blueprint(postgres())
FULL = blueprint(
    postgres(
        databases=[{"name": "shop", "owner": "shop", "extensions": ["pgcrypto"]}],
        users=[{"name": "report", "memberOf": ["pg_read_all_data", "team"]}, {"name": "team"}],
    )
)


def told(wanted, observed):
    return [action.describe() for action in decide(wanted, observed).actions]


def roles_of(observed):
    return dict(observed.components["db"].roles)


def test_nothing_to_do_at_rest():
    assert told(FULL, running(FULL)) == []


def test_nothing_is_done_before_postgres_answered():
    assert told(FULL, changed(running(FULL), "db", answered=False, roles=None, databases=None, config=None)) == []


def test_a_new_cluster_gets_roles_then_memberships_then_databases_then_extensions():
    seen = changed(running(FULL), "db", roles={}, databases={})
    assert told(FULL, seen) == [
        "create role report",
        "create role team",
        "create role shop",
        "make role report a member of team",
        "create database shop",
        "create extension pgcrypto in database shop",
    ]
    made = decide(FULL, seen).actions[0]
    assert isinstance(made, actions.CreateRole)
    assert made.member_of == ("pg_read_all_data",)
    assert made.password == seen.secrets["shop-db-report"]["password"]
    assert made.password not in repr(made)


def test_a_changed_password_in_the_secret_reaches_the_role():
    seen = running(PLAIN)
    seen = dataclasses.replace(seen, secrets={**seen.secrets, "shop-db-shop": {"password": "by hand"}})
    assert told(PLAIN, seen) == ["set the password of role shop"]


def test_a_password_changed_in_postgres_is_put_back():
    seen = running(PLAIN)
    roles = {**roles_of(seen), "shop": dataclasses.replace(roles_of(seen)["shop"], verifier=verifier("other"))}
    assert told(PLAIN, changed(seen, "db", roles=roles)) == ["set the password of role shop"]


def test_a_user_no_more_named_is_locked_and_nothing_is_dropped():
    seen = running(PLAIN)
    gone = RoleObserved(can_login=True, managed=True, verifier=verifier("x"))
    assert told(PLAIN, changed(seen, "db", roles={**roles_of(seen), "gone": gone})) == ["lock role gone"]
    locked = dataclasses.replace(gone, can_login=False)
    assert told(PLAIN, changed(seen, "db", roles={**roles_of(seen), "gone": locked})) == []


def test_roles_that_others_made_are_left_alone():
    seen = running(PLAIN)
    assert told(PLAIN, changed(seen, "db", roles={**roles_of(seen), "theirs": RoleObserved(can_login=True, managed=False)})) == []


def test_a_user_named_again_may_log_in_again():
    seen = running(PLAIN)
    roles = {**roles_of(seen), "shop": dataclasses.replace(roles_of(seen)["shop"], can_login=False)}
    assert told(PLAIN, changed(seen, "db", roles=roles)) == ["let role shop log in"]


def test_memberships_follow_the_spec_but_for_those_that_users_made():
    seen = running(FULL)
    report = dataclasses.replace(roles_of(seen)["report"], member_of=frozenset({"team", "pg_monitor", "made_by_users"}))
    assert told(FULL, changed(seen, "db", roles={**roles_of(seen), "report": report})) == [
        "make role report a member of pg_read_all_data",
        "end role report's membership of pg_monitor",
    ]


def test_databases_change_owner_and_are_never_dropped():
    seen = changed(running(PLAIN), "db", databases={"shop": DatabaseObserved("other"), "extra": DatabaseObserved("shop")})
    assert told(PLAIN, seen) == ["make shop the owner of database shop"]


def test_a_parameter_is_patched_and_what_nobody_wants_is_removed():
    seen = running(PLAIN)
    wanted = blueprint(postgres(parameters={"work_mem": "9MB"}))
    live = seen.components["db"].config
    live = {**live, "pause": True, "postgresql": {**live["postgresql"], "parameters": {**live["postgresql"]["parameters"], "jit": "off"}}}
    (action,) = decide(wanted, changed(seen, "db", config=live)).actions
    assert isinstance(action, actions.PatchPatroniConfig)
    assert action.patch == {"postgresql": {"parameters": {"work_mem": "9MB", "jit": None}}}
    assert action.describe() == "reload jit, work_mem"


def test_a_change_says_what_it_costs():
    wanted = blueprint(postgres(parameters={"work_mem": "9MB", "max_connections": 150, "an_extension.size": "1"}))
    extension = {"an_extension.size": SettingObserved("2", "postmaster")}
    (action,) = decide(wanted, changed(running(PLAIN), "db", settings=extension)).actions
    assert action.describe() == "reload work_mem; set an_extension.size, max_connections for the next restart"
    sync = blueprint(postgres(instances=2, replication={"mode": "Sync"}))
    (action,) = decide(
        sync, changed(running(sync), "db", config={**running(sync).components["db"].config, "synchronous_mode": False})
    ).actions
    assert action.describe() == "change synchronous_mode of Patroni"


def merged(live, patch):
    """JSON merge patch, RFC 7386."""
    result = dict(live)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = value
    return result


PARAMETERS = st.dictionaries(
    st.sampled_from(["work_mem", "jit", "max_connections", "geqo", "port"]), st.one_of(st.integers(1, 99), st.text("abc", max_size=3))
)


@given(PARAMETERS, st.dictionaries(st.sampled_from(["ttl", "pause", "failsafe_mode", "slots"]), st.integers(1, 30)))
def test_one_patch_is_enough_and_leaves_what_people_own(parameters, top):
    one = scope(PLAIN, "db")
    wanted = dynamic_configuration(one, PLAIN.spec.components[0].postgres)
    live = {**top, "postgresql": {"parameters": parameters, "use_slots": False, "remove_data_directory_on_rewind_failure": True}}
    after = merged(live, configuration_patch(wanted, live))
    assert configuration_patch(wanted, after) == {}
    assert after["postgresql"]["parameters"] == wanted["postgresql"]["parameters"]
    assert after["postgresql"]["remove_data_directory_on_rewind_failure"] is True
    assert {key: after.get(key) for key in ("pause", "slots")} == {key: top.get(key) for key in ("pause", "slots")}


THREE = blueprint(postgres(instances=3))


def test_restarts_come_one_at_a_time_replicas_first():
    seen = running(THREE)
    waiting = tuple(dataclasses.replace(one, pending_restart=("max_connections",)) for one in seen.components["db"].members)
    assert told(THREE, changed(seen, "db", members=waiting)) == ["restart Postgres in shop-db-1 for max_connections"]
    primary_alone = (waiting[0], *seen.components["db"].members[1:])
    assert told(THREE, changed(seen, "db", members=primary_alone)) == ["restart Postgres in shop-db-0 for max_connections"]


def test_no_restart_while_a_member_is_not_well_or_absent():
    seen = running(THREE)
    one, two, three = seen.components["db"].members
    waiting = dataclasses.replace(one, pending_restart=("max_connections",))
    assert told(THREE, changed(seen, "db", members=(waiting, two, dataclasses.replace(three, state="starting")))) == []
    assert told(THREE, changed(seen, "db", members=(waiting, two))) == []


def test_no_restart_outside_a_window_as_windows_cannot_be_kept_yet():
    wanted = blueprint(postgres(), maintenanceWindows=[{"schedule": "0 3 * * 0", "duration": "1h"}])
    seen = running(wanted)
    waiting = dataclasses.replace(seen.components["db"].members[0], pending_restart=("max_connections",))
    seen = changed(seen, "db", members=(waiting,))
    assert told(wanted, seen) == []
    assert condition(wanted, seen, "Reconciling")[0] == "False"
    assert "maintenanceWindows" in decide(wanted, seen).outcome.status["components"][0]["message"]


def scaled_down(primary):
    """Three pods run, one is wanted."""
    seen = running(THREE)
    return changed(seen, "db", members=tuple(member(f"shop-db-{n}", primary=n == primary, lag_bytes=n * 10) for n in range(3)))


def replicas(wanted, seen):
    return objects(wanted, seen)["StatefulSet", "shop-db"]["spec"]["replicas"]


def test_scaling_down_never_takes_the_primary_away():
    seen = scaled_down(primary=2)
    assert replicas(PLAIN, seen) == 3
    assert told(PLAIN, seen) == ["switch over from shop-db-2 to shop-db-0"]
    after = scaled_down(primary=0)
    assert replicas(PLAIN, after) == 1
    assert told(PLAIN, after) == []


def test_scaling_down_waits_while_nobody_knows_the_primary():
    seen = changed(scaled_down(primary=0), "db", members=(), answered=False)
    assert replicas(PLAIN, seen) == 3
    assert told(PLAIN, seen) == []


def test_switchover_goes_to_the_nearest_that_stays():
    two = blueprint(postgres(instances=2))
    seen = scaled_down(primary=2)
    members = tuple(
        dataclasses.replace(one, lag_bytes=0) if one.pod == "shop-db-1" else dataclasses.replace(one, lag_bytes=99)
        for one in seen.components["db"].members
    )
    assert told(two, changed(seen, "db", members=members)) == ["switch over from shop-db-2 to shop-db-1"]


ROLE = st.builds(
    RoleObserved,
    can_login=st.booleans(),
    managed=st.booleans(),
    member_of=st.frozensets(st.sampled_from(["pg_monitor", "pg_read_all_data", "team", "theirs"])),
    verifier=st.sampled_from([None, "md5", verifier("other", rounds=2)]),
)


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from(["shop", "report", "team", "gone", "postgres"]), ROLE),
    st.dictionaries(st.sampled_from(["shop", "extra"]), st.builds(DatabaseObserved, st.sampled_from(["shop", "team"]))),
)
def test_from_any_state_the_actions_lead_to_rest_and_lose_nothing(roles, databases):
    seen = changed(running(FULL), "db", roles=roles, databases=databases)
    for _ in range(3):
        done = decide(FULL, seen).actions
        if not done:
            break
        for action in done:
            seen = performed(seen, action)
    assert not done
    after = seen.components["db"]
    assert roles.keys() <= after.roles.keys()
    assert databases.keys() <= after.databases.keys()
    assert all(after.roles[name].can_login for name in ("shop", "report", "team"))


def performed(seen, action):
    """What Postgres says after an action."""
    before = seen.components["db"]
    roles, databases = dict(before.roles), dict(before.databases)
    match action:
        case actions.CreateRole():
            assert action.role not in roles
            roles[action.role] = RoleObserved(True, True, frozenset(action.member_of), verifier(action.password, rounds=2))
        case actions.SetRolePassword():
            roles[action.role] = dataclasses.replace(roles[action.role], verifier=verifier(action.password, rounds=2))
        case actions.UnlockRole():
            roles[action.role] = dataclasses.replace(roles[action.role], can_login=True, managed=True)
        case actions.LockRole():
            roles[action.role] = dataclasses.replace(roles[action.role], can_login=False)
        case actions.GrantRole():
            assert action.group in roles or action.group.startswith("pg_")
            roles[action.role] = dataclasses.replace(roles[action.role], member_of=roles[action.role].member_of | {action.group})
        case actions.RevokeRole():
            roles[action.role] = dataclasses.replace(roles[action.role], member_of=roles[action.role].member_of - {action.group})
        case actions.CreateDatabase():
            assert action.database not in databases
            assert action.owner in roles
            databases[action.database] = DatabaseObserved(action.owner)
        case actions.SetDatabaseOwner():
            databases[action.database] = dataclasses.replace(databases[action.database], owner=action.owner)
        case actions.CreateExtension():
            database = databases[action.database]
            databases[action.database] = dataclasses.replace(database, extensions=database.extensions | {action.extension})
    return changed(seen, "db", roles=roles, databases=databases)
