"""Late, swapped and repeated alerts end in the trade that they would end in if all had arrived in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from purser.signals.model import Status
from purser.signals.service import Signals
from tests.support.effort import examples
from tests.support.fakes import FakeClock, FakeQueue
from tests.support.signals import DEPLOYMENT_KEY, NOW, FakeSignals, a_strategy, alert, sent, trade_after

ACTIONS = ("enter_long", "enter_short", "exit_long", "exit_short", "close")

actions = st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=8)


@examples(400, long=5_000)
@given(actions=actions, data=st.data())
def test_alerts_in_any_order_and_number_end_in_the_right_trade(actions: list[str], data: st.DataObject) -> None:
    made = [(action, NOW + 1000 * second) for second, action in enumerate(actions)]
    repeats = data.draw(st.lists(st.sampled_from(made), max_size=4))
    arrivals = data.draw(st.permutations([*made, *repeats]))

    store, queue, clock = FakeSignals(), FakeQueue(), FakeClock(NOW + 20_000)
    strategy = store.with_strategy(a_strategy())
    signals = Signals(store, queue, clock, lambda: DEPLOYMENT_KEY)
    stored = [signals.receive(strategy.id, sent(alert(action, at)), None) for action, at in arrivals]

    state = store.standing(strategy.id, "", clock()).state
    assert state.direction is trade_after(made)
    statuses = [signal.status for signal in stored]
    assert statuses.count(Status.DUPLICATE) == len(repeats)
    assert set(statuses) <= {Status.ACCEPTED, Status.DUPLICATE, Status.IGNORED, Status.OUT_OF_ORDER}

    accepted = [signal for signal in stored if signal.status is Status.ACCEPTED]
    assert [work.signal_id for work in store.fan_outs] == [signal.id for signal in accepted]
    assert [signal.id for signal in accepted] == sorted(signal.id for signal in accepted)
    # What followers are told, one signal after the other, leads them to the same trade.
    followed = None
    for signal in accepted:
        assert signal.direction is (followed if signal.closes else signal.direction)
        followed = None if signal.closes else signal.direction
    assert followed is state.direction
