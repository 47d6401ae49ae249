"""The status page: what the daemon knows, for people, in German and English.

    look.py      takes a picture of the daemon: plain values, nothing that changes afterwards
    sections.py  picture and language in, sections of HTML out      pure
    traffic.py   the sections about single frames                   pure
    pieces.py    what sections are made of: times, chips, tables    pure
    document.py  the page around the sections                       pure
    words.py     every word of the page in both languages
    markup.py    HTML that cannot be injected into
    static/      style and script; the page is whole without the script, which only fetches it again

The page is drawn in one place, here. The script asks for the same page once a second and puts the parts that have
changed in place of the old ones.
"""
