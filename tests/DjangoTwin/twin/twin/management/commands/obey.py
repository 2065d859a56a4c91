"""Does what a test says, until its standard input ends: a line of JSON {"code", "given"} is answered by a line {"result", "output", "error"}.

Started with --serve it also serves the project with gunicorn and tells the address first; the server ends with it.
"""
import io
import json
import re
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections


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

    def add_arguments(self, parser):
        parser.add_argument("--serve", action="store_true")

    def handle(self, *args, serve, **options):
        answers, server = sys.stdout, None
        if serve:
            server = subprocess.Popen(
                ["gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--threads", "4", "oracle.wsgi"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for line in server.stderr:
                if found := re.search(r"Listening at: (http://\S+)", line):
                    break
                print(line, end="", file=sys.stderr)
            else:
                raise SystemExit("gunicorn did not start.")
            print(found[1], file=answers, flush=True)
            # What the server says goes on to whoever started this.
            import threading
            threading.Thread(target=lambda: [print(line, end="", file=sys.__stderr__, flush=True) for line in server.stderr], daemon=True).start()
        try:
            for line in sys.stdin:
                order = json.loads(line)
                print(json.dumps(run(order["code"], order.get("given")), default=str), file=answers, flush=True)
        finally:
            if server:
                server.terminate()
                server.wait()
