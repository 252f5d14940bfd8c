"""When a silent connection is given up: beat by beat, without a clock."""

from __future__ import annotations

from fabfile.ssh.silence import SILENCE_SECONDS, Silence


def beats(silence: Silence, packets: list[int]) -> list[bool]:
    return [silence.over(number) for number in packets]


def test_a_silence_while_somebody_waits_ends_the_connection_once() -> None:
    silence = Silence()
    with silence.judged():
        assert beats(silence, [7] * (SILENCE_SECONDS + 3)) == [False] * SILENCE_SECONDS + [True, False, False]
    assert silence.ended
    silence.begin()
    assert not silence.ended


def test_each_packet_begins_the_silence_anew() -> None:
    silence = Silence()
    with silence.judged():
        assert not any(beats(silence, [number // SILENCE_SECONDS for number in range(200)]))


def test_nobody_is_blamed_while_nobody_waits() -> None:
    silence = Silence()
    assert not any(beats(silence, [7] * 100))
    with silence.judged(), silence.judged():
        assert not any(beats(silence, [7] * (SILENCE_SECONDS - 1)))
    assert not any(beats(silence, [7] * 100))


def test_a_second_one_who_waits_does_not_begin_the_silence_anew() -> None:
    silence = Silence()
    with silence.judged():
        beats(silence, [7] * SILENCE_SECONDS)
        with silence.judged():
            assert silence.over(7)


def test_a_sign_of_life_is_asked_for_well_before_the_end() -> None:
    silence, asked = Silence(), []
    with silence.judged():
        for beat in range(SILENCE_SECONDS):
            silence.over(7)
            asked += [beat] if silence.wants_to_ask() else []
            assert silence.suspicious == (beat > 10)
    assert asked == [4, 9, 14, 19]
