"""Several `spatz` at once on one laptop: one state directory, one vault, one application."""

import pytest

pytestmark = pytest.mark.live


@pytest.mark.usefixtures("joiner")
def test_three_boards_are_provisioned_side_by_side(bench, technician, chirpstack):
    image = pytest.importorskip("bench.boards.image").virtual_image("esp32")
    (technician.home / "image.bin").write_bytes(image)
    started = []
    for name in ("a", "b", "c"):
        unit = bench.add_board(name, board="rak11200", blank=True)
        unit.power_on()
        technician.port = unit.port
        technician.node_toml = technician.home / f"{name}.toml"
        technician.write_node(name=name, board="rak11200", more='\n[firmware]\nimage = "image.bin"\n')
        started.append(technician.start())

    for process in started:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err

    with technician.journal() as journal:
        devices = journal.devices()
    with technician.vault() as vault:
        assert vault.verify() == 3
    applications = {chirpstack.device(device.dev_eui).application_id for device in devices}
    assert len(applications) == 1
    assert chirpstack.device_count(applications.pop()) == 3
