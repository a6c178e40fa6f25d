"""Everything at once, in short: `make chaos` does it for longer, with a real model."""

from chaos.clients import Clients
from chaos.faults import FAULTS, Edited
from chaos.questions import Question
from chaos.script import Script, drawn
from chaos.tally import Tally
from integration.daemon import RunningDaemon

KEYS = (
    'source = "fake:load=0.1,token_delay=0.01"\nhang_timeout = 3.0\nrestart_delay = 0.05\n'
    "start_limit = 100\n"
)
TEXTS = [" ".join(str(number) for number in range(start, start + 30)) for start in range(8)]


async def test_no_fault_loses_a_request(daemon: RunningDaemon) -> None:
    """Each kind of fault twice, in a drawn order, under eight clients."""
    edited = Edited(daemon, KEYS, is_fake=True)
    edited.write()
    await daemon.start()
    await daemon.until_model("m", state="ready")
    questions = [Question(text, is_chat=number % 2 == 0) for number, text in enumerate(TEXTS)]
    clients = Clients(daemon.url, questions, TEXTS, Tally())
    faults = drawn(FAULTS, dict.fromkeys(FAULTS, 2), 11)
    await Script(faults, num_clients=8, pause_seconds=0.2).play(edited, clients)
    assert clients.tally.losses == []
    assert clients.tally.texts[False] == 0
    assert clients.tally.answered > 8
    assert set(clients.tally.faults.values()) == {2}
