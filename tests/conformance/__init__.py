"""What the tests and papers of the great systems say that a policy does, held against ours: one test for each behaviour.

The numbers are those of a list that was drawn up from resilience4j, Polly, failsafe-go, gRPC, Finagle, Sentinel, Envoy and
others; those that are missing belong to policies that are not here. Where the systems disagree, the docstring of the test
says what ours does, and who does otherwise.
"""

from __future__ import annotations

NUMBERS = {
    # a circuit that is closed
    1: "it opens on the outcome that completes the minimum",
    2: "a success may be what opens it",
    3: "the very threshold is enough",
    5: "a minimum above a window of calls is the window",
    6: "a minimum is not cut to the seconds of a window",
    7: "below the minimum not even failures alone open it",
    8: "an outcome is gone when the window has passed",
    10: "one failure and four successes are a fifth of five calls",
    11: "three failures in a row open it",
    12: "failures that alternate with successes are never in a row",
    13: "two failures of the last three calls open it",
    16: "a bad result counts as a failure",
    17: "an ignored error is neither success nor failure",
    18: "a reset closes it and empties the window",
    19: "the call that opens it raises its own error",
    # slow calls
    21: "as long as the threshold is not slow",
    22: "slow successes alone open it",
    23: "slow probes open it again",
    # a circuit that is open
    25: "a refused call is counted and not made",
    26: "the first call after the wait is a probe",
    27: "the wait is over at its very end",
    28: "it reads open until a call comes",
    29: "a hand says how long it is open",
    31: "the wait grows with the openings in a row",
    33: "a late outcome changes nothing",
    # a circuit that is half open
    34: "as many probes as there are places",
    35: "a place that is given back is one more probe",
    36: "coming back to half open gives all places anew",
    38: "good probes close it with an empty window",
    39: "it is decided when enough outcomes are in",
    41: "silence changes nothing",
    42: "with one place there is one probe",
    43: "a probe that is given up or lost gives its place back",
    44: "a probe that is refused further in gives its place back",
    45: "where failures in a row count one is enough",
    46: "where a rate counts all probes decide",
    # states by hand, and what is told of them
    48: "forced open refuses everything for good",
    49: "disabled admits everything and records nothing",
    51: "observing begins with an empty window",
    52: "a closed circuit is half opened by a hand alone",
    53: "a state that it is in already is not told",
    54: "a setting holds it from the beginning",
    55: "the fact of an opening carries the counts",
    # retries
    56: "three attempts and the last error itself",
    57: "an ignored error is one attempt",
    58: "the last result is returned unless an error is wanted",
    59: "ends are counted in four ways",
    60: "a negative delay means no more",
    61: "a total time stops it though attempts remain",
    62: "delays grow up to the greatest",
    63: "the cap comes after the jitter",
    65: "a wait that cannot be read is none and a negative one is nought",
    66: "a wait of the server gives no attempts",
    68: "not implemented is not retried",
    # budgets of retries
    73: "only failures that are meant are charged",
    74: "a retry that is not paid for is dropped and not delayed",
    75: "the part of a token has three decimals",
    78: "a window outside its range and negative shares are refused",
    79: "no share and no minimum never permit",
    81: "the floor wins over the share",
    82: "an empty budget is one attempt and one fact",
    # time-outs
    83: "attempts that are too slow are cancelled and made again",
    84: "a total time ends the attempt and the waiting",
    86: "the caller s cancellation is no time out",
    87: "no limit is no time out",
    88: "a time out is a failure to the breaker around it",
    89: "the deadline of a call spans its attempts",
    90: "a call whose deadline has passed is refused",
    # bulkheads
    103: "a full bulkhead is asked once and the function never",
    104: "who waits long enough comes in",
    105: "a permit comes back however the call ends",
    106: "the newest of those who wait is served first",
    # rate limits
    123: "one call in each cycle",
    125: "another limit is in force at the next call",
    129: "a limit that is used up ends the retry",
    130: "who would have to wait too long takes no place",
    131: "a limit of nothing refuses all and a free call passes",
    # compositions
    139: "a breaker inside sees every attempt",
    140: "a breaker outside sees one outcome",
    141: "an open breaker ends the retry",
    143: "the usual order does what each place is for",
    # what matters in Python
    144: "calls run in parallel",
    145: "a coroutine that fails is a failure",
    146: "what stops a call is no failure",
    149: "a raising listener changes nothing",
    156: "windows may be shorter than a second",
}
