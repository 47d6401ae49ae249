"""Keys of downlink commands. Made by `spatz payload build` from commands.toml."""

KEYS = (
    (1, 10, 86400, 1),  # interval
    (2, -20000, 20000, 1, -20000, 20000, 1),  # thresholds
    (3, 1, 100, 1),  # full_threshold
    (4, 1, 86400, 1),  # sample_interval
    (5, 0, 65535, 1),  # acknowledge
    (6, 0, 10000, 1),  # hysteresis
    (7, -2000, 20000, 1, -2000, 20000, 1, -2000, 20000, 1),  # stages
    (8, 30, 10000, 1),  # empty_distance
    (9, 30, 10000, 1),  # full_distance
    (10, -2000, 20000, 1),  # reference
    (11, 0, 23, 1, 0, 23, 1),  # night_rest
    (12, 0, 100, 1, 1, 1440, 1),  # lamp
    (13, 0, 1, 1),  # follow_light
    (14, 0, 1, 1, 0, 5, 1),  # adr
    (15, 0, 10080, 1, 0, 10080, 1),  # replay
    (16, 0, 60, 1),  # test_mode
    (17, 0, 60, 1),  # identify
    (18, 0, 65535, 1),  # rejoin
    (19, 0, 720, 1),  # event_mode
    (20, 0, 65535, 1),  # reboot
    (21, 0, 0, 1),  # status
    (22, 0, 4000000000, 1),  # time
    (23, 0, 65535, 1),  # calibration
)
