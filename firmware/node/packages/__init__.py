"""Application packages on a node: one file each, deployed and imported only when the configuration names it.

Each has a class `Service(cycle, mac, directory)`:

    PORT                    FPort of the package
    take(downlink, now_ms)  a downlink on that port; gives the bytes to answer with, or b""
    next_ms(now_ms)         when it wants to say something by itself, or None
    speak(now_ms)           what it wants to say, built for this moment
    said(now_ms)            that has gone out
"""
