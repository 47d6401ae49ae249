"""Sampling: all sensors at once. Conversions overlap because each driver tells when it is ready instead of waiting."""


def sample(sensors, wait_ms):
    """Start every sensor and return when all can be read; `wait_ms(ms)` passes the time.

    Takes as long as the slowest sensor. Every driver limits its own time, so a dead one cannot hold the others up
    for ever.
    """
    for sensor in sensors:
        sensor.start()
    while True:
        soonest = 0
        for sensor in sensors:
            left = sensor.ready_in_ms()
            if left > 0 and (soonest == 0 or left < soonest):
                soonest = left
        if soonest == 0:
            return
        wait_ms(soonest)
