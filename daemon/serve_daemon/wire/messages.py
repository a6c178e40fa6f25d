"""Every message to and from an engine, as a typed value; a gateway's stand in `routing`.

The programs speak over stream sockets, framed by `wire.framing`; who says what to whom stands at
the end of each file. The end of a stream is a message too: the peer is gone.
"""

from enum import StrEnum

from msgspec import Struct

from serve_daemon import __version__
from serve_daemon.wire.batching import Batching
from serve_daemon.wire.sampling import Logprobs, Sampling


class Message(Struct, frozen=True, tag=True, array_like=True):
    """Base of all messages; the class name is the tag."""


class Submit(Message, frozen=True):
    """Generate after `tokens`: the prompt, then what was generated of it before, if anything.

    Random draws depend on (`sampling.seed`, position in `tokens`) alone, and penalties on `tokens`
    and `num_output`, so a sequence that is submitted again with its output so far goes on as it
    would have.
    """

    sequence: int  # the gateway's number for it, unique on its connection for ever
    request_id: str  # for the logs
    tokens: list[int]
    max_new_tokens: int  # still to be generated
    stop_tokens: list[int]
    sampling: Sampling
    num_output: int = 0  # how many of `tokens`, at their end, were generated before
    grammar: str = ""  # in Lark, as llguidance reads it: what the output must be; "": anything
    # Whose it is, for the logs: the trace of its request and the name of its key; "": none.
    trace_id: str = ""
    key: str = ""

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)


class Embed(Message, frozen=True):
    """Make a vector of each of `texts`; all of them come in one output, with the finish."""

    sequence: int  # as in Submit
    request_id: str
    texts: list[list[int]]  # the tokens of each
    trace_id: str = ""
    key: str = ""

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.texts))


class Cancel(Message, frozen=True):
    """Free the sequence; nothing more is sent about it. Unknown numbers are no error."""

    sequence: int


class Welcome(Message, frozen=True):
    """The engine's first words on a connection, said once."""

    engine_id: str
    model: str


class Finish(StrEnum):
    STOP = "stop"  # a stop token, which is the last of `tokens`
    LENGTH = "length"  # max_new_tokens, or the context is full
    ERROR = "error"  # this sequence alone failed; `error` says why
    REFUSED = "refused"  # never begun: too long, or the engine is going; `error` says why


class Output(Struct, frozen=True, array_like=True):
    """What one scheduler step did for one sequence."""

    sequence: int
    tokens: list[int]
    finish: Finish | None = None
    error: str = ""
    cached_tokens: int = 0  # of the prompt, found in the prefix cache; with the first token
    logprobs: list[Logprobs] = []  # of each token, if the sampling asks for them
    vectors: bytes = b""  # of an Embed: float32, little-endian, one text after the other


class Step(Message, frozen=True):
    """All outputs of one scheduler step that belong to one connection."""

    outputs: list[Output]


class EngineSpec(Struct, frozen=True):
    """All that an engine is told about its model. Equal specs make equal engines."""

    model: str
    source: str
    engine: str = "continuous"
    dtype: str = "auto"
    attn_implementation: str = "auto"
    quantization: str = "none"
    gguf: str = "auto"
    device: str = "auto"
    load_format: str = "auto"
    trust_remote_code: bool = False
    max_requests: int = 32
    max_context: int = 0  # tokens; 0: what the model and the KV budget allow
    max_batch_tokens: int = 0  # tokens a step; 0: chosen by the engine
    kv_cache_memory: int = 0  # bytes; 0: chosen by the engine
    kv_cache_dtype: str = "auto"
    allow_block_sharing: bool = True
    batching: Batching = Batching()


class Configure(Message, frozen=True):
    """The first message on an engine's link."""

    engine_id: str
    spec: EngineSpec
    cache_directory: str
    threads: int
    heartbeat_seconds: float
    log_level: str
    release: str = __version__  # of the daemon


class UseThreads(Message, frozen=True):
    """Compute with this many threads from the next step on."""

    threads: int


class Drain(Message, frozen=True):
    """Leave with status 0 once every gateway has closed its connection."""


class SetLogLevel(Message, frozen=True):
    level: str


class Phase(StrEnum):
    """What an engine does before it is ready."""

    IMPORTING = "importing"
    DOWNLOADING = "downloading"
    CONVERTING = "converting"
    LOADING = "loading"
    WARMING = "warming"


class Progress(Message, frozen=True):
    phase: Phase
    detail: str = ""
    done: int = 0  # bytes of `total`, where that can be told
    total: int = 0


class Kind(StrEnum):
    """What an engine takes."""

    GENERATION = "generation"  # Submit
    EMBEDDING = "embedding"  # Embed


class EngineReady(Message, frozen=True):
    """The engine accepts sequences on its socket."""

    artefacts: str  # directory: tokenizer.json, chat_template.jinja, *_config.json
    max_context: int  # tokens, prompt and output together
    max_requests: int
    vocabulary: int
    eos_tokens: list[int]
    device: str
    dtype: str
    attn_implementation: str
    weights_bytes: int
    kv_cache_bytes: int
    peak_bytes: int = 0  # the most memory that it had so far, on the device it computes on
    kind: Kind = Kind.GENERATION
    dimensions: int = 0  # of an embedding engine's vectors


class EngineHeartbeat(Message, frozen=True):
    """Sent every `heartbeat_seconds` by a thread that does not compute."""

    running: int
    waiting: int
    steps: int  # since the start
    generated_tokens: int  # since the start
    stalled_seconds: float  # since the last step ended, while there is work; else 0
    idle_seconds: float = 0.0  # since the last sequence ended, or it was ready; 0 while it works
    peak_bytes: int = 0  # as in EngineReady
    is_compiling: bool = False  # it serves uncompiled until that is done
    prompt_tokens: int = 0  # of the sequences that it has begun, since the start
    kv_cache_usage: float | None = None  # the share that is in use, of 1; None: it doesn't know


class Reason(StrEnum):
    """Classes of failure, told apart by who must act."""

    CONFIG = "config"  # the file asks for what can't be
    SOURCE = "source"  # the weights are missing or broken
    MEMORY = "oom"  # more memory than there is, or than it may have
    DEVICE = "device"  # lost, or never there
    INTERNAL = "internal"  # a bug, ours or a library's


class Failing(Message, frozen=True):
    """The last words before an exit that was not asked for."""

    reason: Reason
    message: str  # one line: what, and what to do


Order = Submit | Embed  # what an engine is given to do
ToEngine = Order | Cancel
FromEngine = Welcome | Step
SupervisorToEngine = Configure | UseThreads | Drain | SetLogLevel
EngineToSupervisor = Progress | EngineReady | EngineHeartbeat | Failing
