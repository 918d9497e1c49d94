"""A shop in a container: Flask under gunicorn."""

from flask import Flask

import svcgov
from svcgov import rate_limit

app = Flask(__name__)
app.wsgi_app = svcgov.wsgi(app.wsgi_app, service="shop", policy=rate_limit("2/minute"), health="/-")


@app.get("/items/<item>")
def read(item):
    here = svcgov.current()
    return {"item": item, "tenant": here.baggage.get("tenant"), "left": svcgov.remaining()}
