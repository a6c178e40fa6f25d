"""Which tokens of an answer have log-probabilities in a response."""

from fakes.completions import FakeCompletion
from gateway.items.response_stream import check_stream
from gateway.items.told_responses import CALL, answer_to, decoded, request
from serve_daemon.gateway.common.pieces import CallEnds, Reasoning, Text

LOGPROBS = {"include": ["message.output_text.logprobs"]}


def test_log_probabilities_are_of_what_is_said_alone() -> None:
    """Of what the model thinks, of its calls and of the marks between there are none."""
    completion = FakeCompletion()
    answer = answer_to(request(**LOGPROBS), completion)
    frames = list(answer.begin())
    completion.come(["<think>", "hm", "</think>", "so", " it", " i"])
    frames += answer.tell([Reasoning("hm"), Text("so it"), Text(" ")])
    completion.come(["s", "<call>", '{"at":', "1}"])
    frames += answer.tell([Text("is"), *CALL, CallEnds(0)])
    response = check_stream(decoded([*frames, *answer.end()]))
    (message,) = [item for item in response["output"] if item["type"] == "message"]
    tokens = [token["token"] for token in message["content"][0]["logprobs"]]
    assert tokens == ["so", " it", " i", "s"]


def test_all_tokens_of_a_plain_answer_have_theirs() -> None:
    """Those without text too, which come last."""
    completion = FakeCompletion()
    answer = answer_to(request(tools=[], **LOGPROBS), completion)
    frames = list(answer.begin())
    completion.come(["h", "i"])
    frames += answer.tell([Text("hi")])
    completion.come([""])
    response = check_stream(decoded([*frames, *answer.end()]))
    assert len(response["output"][0]["content"][0]["logprobs"]) == 3
