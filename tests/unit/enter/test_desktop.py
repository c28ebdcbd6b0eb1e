# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.enter.desktop import VARIABLES, Place, passed, plan, refused
from kapsule.session.shares import COOKIES, FILE, FILTERED_BUS, SOCKET, Share

RUNTIME = "/run/user/1000"


def shares(*, with_bus: bool = True, **environment: str) -> dict[str, Share]:
    """Return the plan by target."""
    place = Place(environment, "/home/alice", RUNTIME)
    return {share.target: share for share in plan(place, with_bus=with_bus)}


def test_a_bare_environment_shares_what_has_a_fixed_place() -> None:
    """Sound, agents, the bus, printing and tokens need no variable; displays do."""
    assert set(shares()) == {
        *(f"{RUNTIME}/{name}" for name in ("bus", "pipewire-0", "pipewire-0-manager")),
        *(f"{RUNTIME}/{name}" for name in ("pulse/native", "p11-kit/pkcs11")),
        f"{RUNTIME}/gnupg/S.gpg-agent",
        f"{RUNTIME}/gnupg/S.gpg-agent.ssh",
        f"{RUNTIME}/gnupg/S.gpg-agent.extra",
        f"{RUNTIME}/gnupg/S.gpg-agent.browser",
        "/run/cups/cups.sock",
    }
    assert not any(share.named for share in shares(DISPLAY="").values())


def test_wayland_by_name_keeps_its_name() -> None:
    """And brings the lock, so that a compositor inside finds the name taken."""
    plan = shares(WAYLAND_DISPLAY="wayland-1")
    share = plan[f"{RUNTIME}/wayland-1"]
    assert share == Share(
        f"{RUNTIME}/wayland-1", share.target, SOCKET, "WAYLAND_DISPLAY", "wayland-1", named=True
    )
    assert plan[f"{RUNTIME}/wayland-1.lock"].kind == FILE


@pytest.mark.parametrize(
    "value", ["/tmp/x/wl", "../../../etc/shadow", "a/b", "..", ".", "bus", "a b"]
)
def test_wayland_elsewhere_gets_a_name_of_ours(value: str) -> None:
    """Whatever the value is, the target is a plain name in the runtime directory."""
    [share] = [
        each
        for each in shares(WAYLAND_DISPLAY=value).values()
        if each.variable == "WAYLAND_DISPLAY"
    ]
    assert share.target.removeprefix(f"{RUNTIME}/kapsule-wayland-").isalnum()
    assert share.value == share.target


@pytest.mark.parametrize("display", [":0", ":0.1", "unix:0", ":00"])
def test_x11_by_number(display: str) -> None:
    """The socket has its usual place; the cookies for the display come along."""
    plan = shares(DISPLAY=display, XAUTHORITY="/tmp/xauth_abc")
    x11 = plan["/tmp/.X11-unix/X0"]
    assert (x11.source, x11.system) == ("/tmp/.X11-unix/X0", True)
    [cookies] = [share for share in plan.values() if share.variable == "XAUTHORITY"]
    assert (cookies.source, cookies.kind) == ("/tmp/xauth_abc", COOKIES)
    assert cookies.display == "0"
    assert cookies.target.startswith(f"{RUNTIME}/kapsule-xauthority-")


def test_each_display_has_its_cookies() -> None:
    """Two displays whose cookies are in one file don't take each other's."""
    targets = {
        share.target
        for display in (":0", ":0.1", ":1")
        for share in shares(DISPLAY=display).values()
        if share.kind == COOKIES
    }
    assert len(targets) == 2


@pytest.mark.parametrize(
    "display", ["host:0", "0", ":", ":a", ":1/../..", ":0\n", "::1", ":123456"]
)
def test_other_displays_share_nothing(display: str) -> None:
    """A display of the network, or no display at all."""
    assert not any(target.startswith("/tmp") for target in shares(DISPLAY=display))


def test_the_session_bus() -> None:
    """The usual bus has its usual place; another one a name of ours; none in session mode."""
    usual = shares(DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/1000/bus,guid=0")
    assert usual[f"{RUNTIME}/bus"].source == f"{RUNTIME}/bus"
    other = shares(DBUS_SESSION_BUS_ADDRESS="unix:path=/tmp/dbus-a%2db")
    [share] = [each for each in other.values() if each.variable == "DBUS_SESSION_BUS_ADDRESS"]
    assert share.source == "/tmp/dbus-a-b"
    assert share.value == f"unix:path={share.target}"
    assert f"{RUNTIME}/bus" not in other
    assert f"{RUNTIME}/bus" not in shares(with_bus=False)


@pytest.mark.parametrize("variable", ["WAYLAND_DISPLAY", "SSH_AUTH_SOCK", "PULSE_SERVER"])
def test_no_variable_brings_the_bus_in_session_mode(variable: str) -> None:
    """The bus stays out, whatever it is called."""
    for path in ("/run/user/1000/bus", "/run/user/1000/./bus", "/run/user/1000/x/../bus"):
        planned = plan(Place({variable: path}, "/home/alice", RUNTIME), with_bus=False)
        assert not any(share.source.endswith("/bus") for share in planned)


@pytest.mark.parametrize("form", ["unix:{}", "{}", "{{abc}}unix:{}"])
def test_pulse_server_forms(form: str) -> None:
    """PULSE_SERVER may name a path in three ways."""
    plan = shares(PULSE_SERVER=form.format("/run/user/1000/pulse/native"))
    share = plan[f"{RUNTIME}/pulse/native"]
    assert share.value == f"unix:{RUNTIME}/pulse/native"
    assert share.named


def test_keys_elsewhere_have_their_sockets_elsewhere() -> None:
    """gpgconf's rule: a digest of GNUPGHOME, in z-base-32. The pair is from a real gpgconf."""
    targets = shares(GNUPGHOME="/tmp/keys")
    [target] = [each for each in targets if each.endswith("/S.gpg-agent")]
    assert target == f"{RUNTIME}/gnupg/d.p8swunwypczi3t99cncshekk/S.gpg-agent"


def test_variables_that_name_files_do_not_pass() -> None:
    """They are set again when their sockets are in place, and not before."""
    environment = dict.fromkeys(VARIABLES, "/some/where") | {"TERM": "xterm", "DISPLAY": ":0"}
    assert passed(environment) == {"TERM": "xterm"}


def test_servers_of_the_network_pass() -> None:
    """The container shares the network, so their addresses mean the same inside."""
    environment = {
        "DISPLAY": "host.lan:0.1",
        "PULSE_SERVER": "tcp:host:4713",
        "DBUS_SESSION_BUS_ADDRESS": "unix:abstract=/tmp/dbus-x",
    }
    assert passed(environment) == environment
    assert refused(environment) == []


@pytest.mark.parametrize("value", [":1/../x", "unix:../../etc/shadow", ":0\n", ": 7", "words"])
def test_what_names_no_server(value: str) -> None:
    """It does not pass, is not shared, and a note says so on one line."""
    for name in ("DISPLAY", "PULSE_SERVER", "DBUS_SESSION_BUS_ADDRESS"):
        [note] = refused({name: value})
        assert note.startswith(f"{name} is not shared: ")
        assert note.isprintable()
        assert passed({name: value}) == {}


@given(st.dictionaries(st.sampled_from(sorted(VARIABLES | {"DISPLAY", "GNUPGHOME"})), st.text()))
def test_no_environment_chooses_a_target(environment: dict[str, str]) -> None:
    """Targets stay below the runtime directory, or are X11's and the printers' own."""
    for share in plan(Place(environment, "/home/alice", RUNTIME), with_bus=True):
        target = share.target
        assert "/../" not in target
        assert not target.endswith(("/..", "/.", "/"))
        assert target.startswith((RUNTIME + "/", "/tmp/.X11-unix/X", "/run/cups/cups.sock"))


_EVERYTHING = {
    "WAYLAND_DISPLAY": "wayland-0",
    "DISPLAY": ":1",
    "XDG_RUNTIME_DIR": RUNTIME,
    "DBUS_SESSION_BUS_ADDRESS": f"unix:path={RUNTIME}/bus",
    "SSH_AUTH_SOCK": "/tmp/ssh-1/agent",
}


def test_an_isolated_container_gets_windows() -> None:
    """No bus, no sound server, no agents, no tokens, no printers, no file of the host."""
    shares = plan(Place(_EVERYTHING, "/home/alice", RUNTIME), with_bus=True, isolated=True)
    assert [share.target for share in shares if share.kind == SOCKET] == [
        "/tmp/.X11-unix/X1",
        f"{RUNTIME}/wayland-0",
    ]
    assert not any(share.kind == FILE for share in shares)
    [bus] = [share for share in shares if share.kind == FILTERED_BUS]
    assert (bus.source, bus.target) == (f"{RUNTIME}/bus", f"{RUNTIME}/kapsule-host-bus")
    assert (bus.variable, bus.value) == ("KAPSULE_HOST_BUS_ADDRESS", f"unix:path={bus.target}")


def test_without_x11() -> None:
    """Neither its socket nor its cookies are shared, and no name of a display passes."""
    shares = plan(Place(_EVERYTHING, "/home/alice", RUNTIME), with_bus=True, with_x11=False)
    assert not {share.variable for share in shares} & {"DISPLAY", "XAUTHORITY"}
    assert f"{RUNTIME}/wayland-0" in {share.target for share in shares}
    assert "DISPLAY" not in passed({"DISPLAY": "host:0"}, with_x11=False)


@pytest.mark.parametrize("display", [":0", "host:0", "nonsense"])
def test_a_note_where_only_x11_could_open_a_window(display: str) -> None:
    """Whoever has Wayland hears nothing."""
    [note] = refused({"DISPLAY": display}, with_x11=False)
    assert "--x11" in note
    assert refused({"DISPLAY": display, "WAYLAND_DISPLAY": "wayland-0"}, with_x11=False) == []
    assert refused({}, with_x11=False) == []


@pytest.mark.parametrize("variable", ["WAYLAND_DISPLAY", "PIPEWIRE_REMOTE", "PULSE_SERVER"])
def test_no_variable_brings_the_bus_into_an_isolated_container(variable: str) -> None:
    """Whatever the caller's environment names; only behind the proxy it is there."""
    place = Place({variable: f"{RUNTIME}/bus", "XDG_RUNTIME_DIR": RUNTIME}, "/h", RUNTIME)
    shares = plan(place, with_bus=True, isolated=True)
    assert not any(
        share.source == f"{RUNTIME}/bus" and share.kind != FILTERED_BUS for share in shares
    )


def test_servers_of_a_network_that_is_not_the_containers() -> None:
    """They don't pass, and a note says so; nor do abstract sockets, which belong to a network."""
    environment = {
        "DISPLAY": "host:0",
        "PULSE_SERVER": "tcp:host",
        "DBUS_SESSION_BUS_ADDRESS": "unix:abstract=/tmp/bus",
        "EDITOR": "vi",
    }
    assert passed(environment, shares_network=False) == {"EDITOR": "vi"}
    assert len(refused(environment, shares_network=False)) == 3
    assert refused(environment) == []
