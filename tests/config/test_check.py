"""Rules that no single key can break."""

import pytest

from config.loading import loaded, problems_of
from serve_daemon.config.check import check
from serve_daemon.config.load import Sources
from serve_daemon.config.probe import Device, Probe
from serve_daemon.config.schema import Config

CPU = Device("cpu", "Some CPU", 8 << 30, ["float32", "bfloat16"])
GPU = Device("cuda:0", "Some GPU", 80 << 30, ["float32", "bfloat16", "float16"])


def _probe(*devices: Device) -> Probe:
    return Probe(
        versions={"python": "3.11"},
        devices=list(devices),
        attn_implementations=["eager", "sdpa"],
        engines=["continuous"],
        quantization=[],
        unavailable_attn_implementations={"flash_attention_2": "the package flash_attn"},
    )


def _findings(text: str, probe: Probe | None = None) -> list[tuple[str, str]]:
    found = check(loaded(text).config, probe)
    return [(".".join(map(str, path)), message) for path, message in found]


# Text, and the key and message of its problem as they are rendered, without the file.
BROKEN = [
    (
        "models.a.kv_cache_dtype = 'int8'",
        '1:27: models.a.kv_cache_dtype: has no effect with engine "continuous", remove it',
    ),
    (
        "models.a.gguf = 'keep'\nmodels.a.quantization = 'bnb-4bit'",
        (
            '1:17: models.a.gguf: "keep" leaves the weights as they are, and quantization'
            ' "bnb-4bit" would change them, remove one of the two'
        ),
    ),
    (
        "models.a.gguf = 'keep'\nmodels.a.dtype = 'float16'",
        (
            '1:17: models.a.gguf: "keep" computes in bfloat16 or float32, choose one of these as'
            " dtype"
        ),
    ),
    (
        "models.a.gguf = 'keep'\nmodels.a.engine = 'embedding'",
        '1:17: models.a.gguf: has no effect with engine "embedding", remove it',
    ),
    (
        "server.listen = ['a:1']\nmetrics.listen = ['a:01']",
        '2:19: metrics.listen: "a:01" is listed twice, remove one',
    ),
    (
        "metrics.path = '/v1/metrics'",
        '1:16: metrics.path: "/v1/metrics" is taken by the API, choose another path',
    ),
    (
        "server.listen = ['a:1', '[::1]:1', 'a:01']",
        '1:36: server.listen: "a:01" is listed twice, remove one',
    ),
    (
        "models.a.profile = 'b'\nprofiles.c.threads = 1\nprofiles.d.threads = 1",
        (
            '1:20: models.a.profile: profile "b" is not defined, define it or use one of those that'
            " are: c, d"
        ),
    ),
    (
        "profiles.a.extends = 'b'",
        (
            '1:22: profiles.a.extends: profile "b" is not defined, define it or use one of those'
            " that are: a"
        ),
    ),
    (
        "profiles.a.extends = 'a'",
        '1:22: profiles.a.extends: "a" extends this profile too, break the circle',
    ),
    (
        "[models.a]\naliases = ['x', 'x']",
        '2:17: models.a.aliases: "x" is an alias of this model already, remove one',
    ),
    (
        "models.a.aliases = ['x']\nmodels.b.aliases = ['y', 'x']",
        '2:26: models.b.aliases: "x" is an alias of model "a" already, remove one',
    ),
    (
        "models.a.aliases = ['b']\n[models.b]",
        '1:21: models.a.aliases: "b" is the name of a model, choose another alias',
    ),
    (
        "models.a.max_batch_tokens = 8",
        (
            "1:29: models.a.max_batch_tokens: 8 tokens a step can't hold one for each of 32"
            " max_requests, raise it or lower max_requests"
        ),
    ),
    (
        "profiles.p.max_batch_tokens = 8\n[models.a]\nprofile = 'p'\nmax_requests = 9",
        (
            "1:31: profiles.p.max_batch_tokens: 8 tokens a step can't hold one for each of 9"
            " max_requests, raise it or lower max_requests"
        ),
    ),
    (
        "models.a.restart_delay_max = 0.1",
        (
            "1:30: models.a.restart_delay_max: the first delay of 0.5 s exceeds restart_delay_max"
            " of 0.1 s, lower it or raise restart_delay_max"
        ),
    ),
]


@pytest.mark.parametrize(("text", "rendered"), BROKEN)
def test_a_broken_rule_is_told_at_the_key_that_breaks_it(text: str, rendered: str) -> None:
    """Also where a profile sets the key: that is the place to repair."""
    (problem,) = problems_of(Sources(text=text))
    assert rendered in problem.render()


def test_every_profile_of_a_circle_is_told() -> None:
    """Either may be the one that is wrong; a profile that leads into the circle is not."""
    text = (
        "[profiles]\na.extends = 'b'\nb.extends = 'c'\nc.extends = 'b'\n[models.m]\nprofile = 'a'"
    )
    keys = [problem.key for problem in problems_of(Sources(text=text))]
    assert keys == ["profiles.b.extends", "profiles.c.extends"]


@pytest.mark.parametrize(
    "text",
    [
        "server.listen = ['a:1', 'a:2', 'b:1', 'unix:/a']",
        "models.a.aliases = ['x']\nmodels.b.aliases = ['y']",
        "models.a.max_batch_tokens = 32",
        "models.a.max_batch_tokens = 0",
        "[models.a]\nengine = 'embedding'\nmax_batch_tokens = 8",
        "models.a.restart_delay = 30",
        "profiles.a.extends = 'b'\nprofiles.b.extends = 'c'\nprofiles.c.max_batch_tokens = 1",
    ],
)
def test_what_breaks_no_rule_is_left_alone(text: str) -> None:
    """Values at the edge of a rule, and profiles that no model uses yet."""
    assert _findings(text) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "profiles.p.dtype = 'float16'\n[models.a]\nprofile = 'p'\ndevice = 'cpu'",
            (
                "profiles.p.dtype",
                '"float16" does not work here, use another: cpu computes in float32, bfloat16',
            ),
        ),
        (
            "models.a.attn_implementation = 'flash_attention_2'",
            (
                "models.a.attn_implementation",
                (
                    '"flash_attention_2" does not work here for lack of the package flash_attn, use'
                    " one of eager, sdpa"
                ),
            ),
        ),
    ],
)
def test_what_this_machine_can_not_do_is_refused(text: str, finding: tuple[str, str]) -> None:
    """The message says what there is instead; without a probe nothing of the kind is judged."""
    assert _findings(text, _probe(CPU, GPU)) == [finding]
    assert _findings(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "[models.a]",
        "models.a.device = 'cuda'",
        "models.a.device = 'cpu'",
        "models.a.dtype = 'float16'",
        "models.a.attn_implementation = 'sdpa'",
        "models.a.attn_implementation = 'kernels-community/flash-attn'",
        "models.a.attn_implementation = 'kernels-community/flash-attn3@v1:flash_attn'",
        "models.a.quantization = 'bnb-4bit'",
        "models.a.use_cuda_graph = true",
        "models.a.source = 'python:a_package/a_file.gguf'",
    ],
)
def test_what_this_machine_can_do_passes(text: str) -> None:
    """`auto` takes any device that can; a kernel of the Hub is for the engine to find."""
    assert _findings(text, _probe(CPU, GPU)) == []


def test_more_devices_than_replicas_are_refused() -> None:
    """One of them would not be used; fewer are given to the replicas in turn."""
    text = "[profiles.p]\ndevice = ['cpu', 'cuda:0']\n[models.a]\nprofile = 'p'\nreplicas = {}"
    (problem,) = problems_of(Sources(text=text.format(1)))
    assert (problem.key, problem.line) == ("profiles.p.device", 2)
    assert problem.message == "names 2 devices for 1 of replicas, raise that or name fewer"
    assert loaded(text.format(3)).models["a"].devices == ["cpu", "cuda:0"]


@pytest.mark.parametrize("device", ["'gpu'", "[]", "['cpu', 'cuda:x']", "7"])
def test_what_is_no_device_is_told_so(device: str) -> None:
    """One, or an item of a list."""
    (problem,) = problems_of(Sources(text=f"[models.a]\ndevice = {device}"))
    assert problem.key == "models.a.device"
    assert "is no device, use auto, cpu, cuda or cuda:N, or a list" in problem.message


def test_an_engine_that_the_environment_lacks_is_refused() -> None:
    """The one that it has is named."""
    probe = Probe(
        versions={}, devices=[CPU], attn_implementations=[], engines=["x"], quantization=[]
    )
    assert _findings("[models.a]", probe) == [
        ("models.a", '"continuous" does not work here, use one of x')
    ]


def test_rules_are_not_judged_by_values_that_are_wrong_themselves() -> None:
    """A model's batch is too small for the default of max_requests, which is not what was meant."""
    text = "[profiles.p]\nmax_requests = 'x'\n[models.a]\nprofile = 'p'\nmax_batch_tokens = 8"
    (problem,) = problems_of(Sources(text=text))
    assert problem.key == "profiles.p.max_requests"


def test_rules_are_not_judged_where_whole_tables_are_wrong() -> None:
    """A profile that is no table is not told to be undefined as well."""
    (problem,) = problems_of(Sources(text="profiles.p = 1\nmodels.a.profile = 'p'"))
    assert problem.key == "profiles.p"


def test_an_empty_configuration_breaks_no_rule() -> None:
    """A daemon without models is a daemon whose models come later."""
    assert list(check(Config(), _probe(CPU))) == []
