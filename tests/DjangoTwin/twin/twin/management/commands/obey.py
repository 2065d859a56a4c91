"""Serves the project with gunicorn, tells its address, and then does what a test says, until its standard input ends: a line of JSON
{"code", "given", "database"} is answered by a line {"result", "output", "error"}. The server ends with it.
"""
import io
import json
import re
import subprocess
import sys
import threading
import traceback
from contextlib import redirect_stderr, redirect_stdout

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections
from twin.settings import database_at


def use(settings):
    connections.close_all()
    connections["default"].settings_dict.update(settings)
    ContentType.objects.clear_cache()


def run(code, given):
    output = io.StringIO()
    names = {model.__name__: model for model in apps.get_models()} | {"given": given, "call_command": call_command}
    answer = {"result": None, "output": "", "error": None}
    try:
        with redirect_stdout(output), redirect_stderr(output):
            exec(code, names)
        answer["result"] = names.get("result")
    except SystemExit as end:
        if end.code:
            answer["error"] = f"exit code {end.code}"
    except BaseException:
        answer["error"] = traceback.format_exc()
    finally:
        connections.close_all()
    answer["output"] = output.getvalue()
    return answer


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, *args, **options):
        answers = sys.stdout
        server = subprocess.Popen(
            ["gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--threads", "4", "oracle.wsgi"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for line in server.stderr:
                if found := re.search(r"Listening at: (http://\S+)", line):
                    break
                print(line, end="", file=sys.stderr)
            else:
                raise SystemExit("gunicorn did not start.")
            print(found[1], file=answers, flush=True)
            # What the server says goes on to whoever started this.
            threading.Thread(target=lambda: [print(line, end="", file=sys.__stderr__, flush=True) for line in server.stderr], daemon=True).start()
            served = dict(connections["default"].settings_dict)
            for line in sys.stdin:
                order = json.loads(line)
                if order["database"]:
                    use(database_at(order["database"]))
                answer = run(order["code"], order["given"])
                if order["database"]:
                    use(served)
                print(json.dumps(answer, default=str), file=answers, flush=True)
        finally:
            server.terminate()
            server.wait()
