"""What a person meets in a browser: pages, and the redirects between them and to clients.

endpoint.py   reads a browser's request and runs the pipeline
cookies.py    the two cookies of a browser
pages.py      renders the answers of handlers: pages, redirects, and pages that then open a client's URI
templates.py  the templates, in each language, and the operator's own
files.py      the style sheet, the script, the icon and the operator's own files
templates/    one for each page; layout.html and words.html are shared
locale/       the translations; scripts/translations.py extracts and compiles them
"""
