"""Where packages come from: read from the machine's own apt sources."""

from dharma_dev.images_apt import Mirrors, Source, choose_mirrors, parse_one_line, parse_stanzas

ONE_LINE = """
# deb http://commented.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.example/debian/ bookworm main contrib  # near
deb http://mirror.example/security bookworm-security main
deb http://vendor.example/apt stable vendor
"""

STANZAS = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
 contrib

Types: deb
Enabled: no
URIs: http://disabled.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
"""


def test_one_line_sources_are_read_without_comments_and_source_packages():
    assert list(parse_one_line(ONE_LINE)) == [
        Source("http://mirror.example/debian", "bookworm", ("main", "contrib")),
        Source("http://mirror.example/security", "bookworm-security", ("main",)),
        Source("http://vendor.example/apt", "stable", ("vendor",)),
    ]


def test_stanzas_are_read_with_folded_lines_and_without_disabled_ones():
    assert list(parse_stanzas(STANZAS)) == [
        Source("http://mirror.example/debian", "bookworm", ("main", "contrib")),
        Source("http://mirror.example/debian", "bookworm-updates", ("main", "contrib")),
        Source("http://mirror.example/security", "bookworm-security", ("main",)),
    ]


def test_both_forms_name_the_same_mirrors():
    wanted = Mirrors(archive="http://mirror.example/debian", security="http://mirror.example/security")
    assert choose_mirrors(list(parse_one_line(ONE_LINE)), "bookworm") == wanted
    assert choose_mirrors(list(parse_stanzas(STANZAS)), "bookworm") == wanted


def test_a_vendors_stable_suite_is_no_archive_of_debian():
    assert choose_mirrors([Source("http://vendor.example/apt", "stable", ("vendor",))], "bookworm") == Mirrors(archive=None, security=None)


def test_a_mirror_that_debootstrap_cannot_read_is_left_out():
    assert choose_mirrors([Source("cdrom:[Debian]", "bookworm", ("main",))], "bookworm").archive is None


def test_sources_of_the_image_name_its_own_suite():
    mirrors = Mirrors(archive="http://mirror.example/debian", security="http://mirror.example/security")
    assert mirrors.sources_list("trixie").splitlines() == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/security trixie-security main",
    ]
    assert Mirrors(archive=None, security=None).sources_list("trixie") == ""
