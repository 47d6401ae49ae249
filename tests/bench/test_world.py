import itertools

from bench.world import US, World

HOUR = 3600 * US


def values(quantity, until_us, step_us=US):
    return [quantity(now_us) for now_us in range(0, until_us, step_us)]


def test_the_same_seed_and_name_give_the_same_course():
    assert values(World(1).quantity("a/t", 0, 999), HOUR) == values(World(1).quantity("a/t", 0, 999), HOUR)
    assert values(World(1).quantity("a/t", 0, 999), HOUR) != values(World(2).quantity("a/t", 0, 999), HOUR)
    assert values(World(1).quantity("a/t", 0, 999), HOUR) != values(World(1).quantity("b/t", 0, 999), HOUR)


def test_the_order_of_asking_does_not_matter():
    late_first = World(1).quantity("a/t", 0, 999)
    late_first(HOUR)
    assert values(late_first, HOUR) == values(World(1).quantity("a/t", 0, 999), HOUR)


def test_plateaus_last_at_least_their_shortest_time_and_keep_their_range():
    quantity = World(3).quantity("a/t", -500, 500, step=20, hold_s=(7, 60))
    course = values(quantity, HOUR)
    assert set(course) <= set(range(-500, 501, 20))
    runs, length = [], 1
    for before, now in itertools.pairwise(course):
        if now == before:
            length += 1
        else:
            runs.append(length)
            length = 1
    assert min(runs) >= 7
    assert len(runs) > 30


def test_quantities_of_one_rhythm_step_together():
    world = World(5)
    one = world.quantity("a/t", 0, 10_000, rhythm="a")
    other = world.quantity("a/rh", 0, 10_000, rhythm="a")
    stranger = world.quantity("b/t", 0, 10_000, rhythm="b")

    def steps(quantity):
        course = values(quantity, HOUR, US // 4)
        return [place for place, (before, now) in enumerate(itertools.pairwise(course)) if before != now]

    assert len(set(steps(one)) & set(steps(other))) > 20
    assert steps(one) != steps(stranger)


def test_light_goes_through_the_decades():
    course = values(World(1).quantity("a/lx", 1, 60_000, logarithmic=True), 6 * HOUR, 10 * US)
    assert min(course) < 20
    assert max(course) > 5_000
    assert min(course) >= 1
    assert max(course) <= 60_000


def test_a_quantity_can_be_held_and_given_back():
    world = World(1)
    quantity = world.quantity("a/t", 0, 999)
    before = quantity(0)
    world.fix("a/t", -5)
    assert quantity(0) == -5
    world.release("a/t")
    assert quantity(0) == before


def test_movements_are_the_same_however_they_are_asked_for():
    motion = World(1).motion("a/motion", 45)
    instants, now_us = [], 0
    while now_us < HOUR:
        now_us = motion(now_us)
        instants.append(now_us)
    assert 40 <= len(instants) <= 130
    again = World(1).motion("a/motion", 45)
    assert again(instants[20]) == instants[21]
    assert again(0) == instants[0]
