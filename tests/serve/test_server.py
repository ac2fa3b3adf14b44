import base64
import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import gradio_client
import numpy as np
import pytest
import requests
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

import fae
from fae.serve.server import listening
from tests.browser import browser
from tests.conftest import moved
from tests.processes import Forked, main_of
from tests.serve import stub


class Server(NamedTuple):
    address: str
    cache: Path

    def upload(self, content: bytes, name: str = "part.png") -> requests.Response:
        return requests.post(f"{self.address}/gradio_api/upload", files={"files": (name, content)}, timeout=60)

    def call(self, path: str) -> tuple[str, Any, str]:
        """The event that ends a call, its data, and the raw text."""
        url = f"{self.address}/gradio_api/call/score"
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        begun = requests.post(url, json={"data": [file]}, timeout=60)
        assert begun.status_code == 200, begun.text
        text = requests.get(f"{url}/{begun.json()['event_id']}", timeout=60).text
        lines = text.strip().splitlines()
        return lines[-2].partition(": ")[2], json.loads(lines[-1].partition(": ")[2]), begun.text + text


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(address: str) -> None:
    end = time.monotonic() + 90
    while True:
        try:
            requests.get(f"{address}/config", timeout=10).raise_for_status()
            return
        except requests.RequestException:
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def server(forked: Forked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    cache, port = tmp_path_factory.mktemp("server"), free_port()
    found = Server(f"http://127.0.0.1:{port}", cache)
    with forked.running(stub.serve, port, cache, said=(cache / "out", cache / "err")):
        wait_for(found.address)
        yield found


def picture(brightness: int, size: tuple[int, int] = (40, 30), form: str = "PNG") -> bytes:
    """A dark picture with a square of 10 px at (20, 10)."""
    image = np.full((size[1], size[0], 3), 51, np.uint8)
    image[10:20, 20:30] = brightness
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


GOOD, BAD = picture(102), picture(204)


def test_the_api_says_what_the_detector_says(server: Server) -> None:
    event, (answer,), _ = server.call(server.upload(BAD).json()[0])
    assert event == "complete"
    assert answer == {
        "score": pytest.approx(0.8),
        "anomaly_percent": pytest.approx(stub.logistic(0.8)),
        "anomalous": True,
        "threshold": stub.THRESHOLD,
        "area": 100,
        "regions": 1,
        "box": {"left": 20, "top": 10, "width": 10, "height": 10},
    }
    _, (answer,), _ = server.call(server.upload(GOOD).json()[0])
    assert (answer["anomalous"], answer["area"], answer["box"]) == (False, 0, None)


def test_the_example_of_the_docs(server: Server, tmp_path: Path) -> None:
    (tmp_path / "part.png").write_bytes(BAD)
    client = gradio_client.Client(server.address, verbose=False, download_files=False)
    try:
        answer = client.predict(gradio_client.handle_file(tmp_path / "part.png"), api_name="/score")
    finally:
        client.close()
    assert answer["anomalous"] is True


def test_the_commands_of_the_docs(server: Server, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```\n(URL=.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "part.png").write_bytes(BAD)
    script = commands.replace("http://127.0.0.1:7860", server.address)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    assert re.match(r'event: complete\ndata: \[\{"score": 0.8', done.stdout), done


def test_no_answer_holds_a_path_of_the_server(server: Server) -> None:
    uploaded = server.upload(BAD, "../../a b.png")
    bad = server.upload(b"no image")
    texts = [uploaded.text, bad.text, server.call(uploaded.json()[0])[2], server.call(bad.json()[0])[2]]
    texts += [server.call(path)[2] for path in ("upload/nowhere/1.png", "nowhere.png")]
    for page in ("", "config", "gradio_api/info", "gradio_api/openapi.json", "theme.css", "gradio_api/file=x"):
        answer = requests.get(f"{server.address}/{page}", timeout=60)
        texts += [answer.text, str(answer.headers)]
    paths = [str(path) for path in (server.cache, Path.home(), Path(sys.prefix), Path(fae.__file__).parent)]
    for text in texts:
        assert not [path for path in paths if path in text]
    assert json.loads(uploaded.text)[0].startswith("upload/")
    assert "no image that can be read here" in texts[3]


def test_only_uploaded_files_are_read(server: Server, images: Path) -> None:
    """Gradio alone would read any file of the machine, and fetch any address."""
    sha = server.upload(BAD).json()[0]
    for path in (
        str(images / "test" / "square" / "000.png"),
        f"{Path(sha).parent}/../../../{images.name}",
        f"http://127.0.0.1:{free_port()}/1.png",
        "https://example.com/1.png",
        "/etc/passwd",
    ):
        event, answer, _ = server.call(path)
        assert event == "error"
        assert answer["error"] == "the file was not uploaded; upload it, and send the path that the upload answers"


def test_no_other_door_is_open(server: Server, images: Path) -> None:
    path = images / "test" / "square" / "000.png"
    for page in (
        f"gradio_api/file={path}",
        "gradio_api/file=http://example.com/",
        "gradio_api/file=upload/../out",
        *("gradio_api/runs", "gradio_api/proxy=https://example.com/", "monitoring", "gradio_api/vibe-code", "docs"),
    ):
        answer = requests.get(f"{server.address}/{page}", timeout=60)
        assert (answer.status_code, answer.text) == (404, "There is no such page."), page


def test_what_is_too_large_is_refused(server: Server) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="1.png"\r\n\r\n'
    part = head + bytes(1_600_000) + b"\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (part * 2, iter([part, part])):  # the second states no length
        answer = requests.post(f"{server.address}/gradio_api/upload", data=body, headers=form, timeout=60)
        assert answer.status_code == 413
        assert "max_upload_mb (=2); send less at once" in answer.text
    file = {"path": "x" * 1_100_000, "meta": {"_type": "gradio.FileData"}}
    answer = requests.post(f"{server.address}/gradio_api/call/score", json={"data": [file]}, timeout=60)
    assert answer.status_code == 413
    event, answer, _ = server.call(server.upload(picture(10, (1100, 1000), "JPEG"), "large.jpg").json()[0])
    assert event == "error"
    assert answer["error"].startswith(
        "large.jpg has 1100×1000 pixels, which are 1.1 megapixels, but max_megapixels is 1"
    )


def test_pictures_are_scored_one_at_a_time(server: Server) -> None:
    """The stub refuses two at once."""
    path = server.upload(BAD).json()[0]
    with ThreadPoolExecutor(6) as pool:
        assert {event for event, *_ in pool.map(server.call, [path] * 12)} == {"complete"}


def test_the_command_serves_a_run_and_leaves_nothing(whole: Path, tmp_path: Path, forked: Forked) -> None:
    run, port, cache = moved(whole, tmp_path / "moved"), free_port(), tmp_path / "cache"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    server = Server(f"http://127.0.0.1:{port}", cache)
    out, err = tmp_path / "out", tmp_path / "err"
    words = (f"model={run}", f"port={port}")
    with forked.running(main_of, "fae.serve", words, said=(out, err)) as process:
        wait_for(server.address)
        path = run.parent / "tiny" / "test" / "square" / "000.png"
        _, (answer,), _ = server.call(server.upload(path.read_bytes()).json()[0])
        assert answer["score"] == fae.load(run)(path).score
        assert [answer[key] for key in ("threshold", "anomalous", "anomaly_percent")] == [None, None, None]
        assert list(cache.rglob("part.png"))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGTERM)
        process.join(30)
        assert process.exitcode == 0
    assert f"run is served at http://127.0.0.1:{port}; Ctrl-C ends it" in out.read_text()
    assert "Traceback" not in err.read_text()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert [path.name for path in cache.rglob("*") if "matplotlib" not in path.parts] == ["serve"]
    assert {path.name for path in tmp_path.iterdir()} == {"moved", "cache", "out", "err"}


def test_a_port_that_is_taken_is_told(server: Server) -> None:
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(
        ValueError, match=rf"port \(={port}\) of host \(=127.0.0.1\) cannot be used \(Address already in"
    ):
        listening("127.0.0.1", port)


def addresses(chrome: webdriver.Chrome) -> set[str]:
    """The addresses in a network that the browser has asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return {address for address in sent if address.startswith(("http", "ws"))}


@pytest.mark.browser
def test_the_page_in_a_browser(server: Server, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(GOOD)
    (tmp_path / "bad.png").write_bytes(BAD)
    with ZipFile(tmp_path / "folder.zip", "w") as archive:
        archive.writestr("../deep/inside.png", picture(153))
        archive.writestr("notes.txt", "no image")
    with browser(tmp_path / "profile") as chrome:
        wait = WebDriverWait(chrome, 60)
        chrome.get(server.address)
        field = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "input[type=file]"))
        names = ("good.png", "bad.png", "folder.zip")
        field.send_keys("\n".join(str(tmp_path / name) for name in names))

        def cards() -> list[list[str]]:
            script = (
                "return [...document.querySelectorAll('.fae-card')].map(card => card.innerText.split(/\\s*\\n\\s*/))"
            )
            found: list[list[str]] = chrome.execute_script(script)
            return found

        def said() -> str:
            return chrome.find_element(By.ID, "summary").text

        wait.until(lambda _: len(cards()) == 4)
        assert [(card[0], card[1]) for card in cards()] == [
            ("anomalous", "bad.png"),
            ("normal", "../deep/inside.png"),
            ("normal", "good.png"),
            ("not scored", "notes.txt"),
        ]
        assert {"82 %", "100 px in 1 region", "10×10 px at (20, 10)"} <= set(cards()[0])
        assert "notes.txt is no image that can be read here" in cards()[3][2]
        assert "2 of 20 good pictures that training held out (10.0%) would be false alarms" in said()
        assert "4 pictures: 1 anomalous, 2 normal, 1 not scored" in said()
        images = "[...document.querySelectorAll('.fae-card img')]"
        for image in chrome.find_elements(By.CSS_SELECTOR, ".fae-card img"):
            chrome.execute_script("arguments[0].scrollIntoView()", image)
        wait.until(lambda page: page.execute_script(f"return {images}.every(image => image.naturalWidth == 360)"))
        assert len(chrome.find_elements(By.CSS_SELECTOR, ".fae-card img")) == 9

        handle = chrome.find_element(By.CSS_SELECTOR, "#threshold input[type=range]")
        handle.send_keys(Keys.ARROW_LEFT * 40)  # steps of 0.002
        wait.until(lambda _: [card[0] for card in cards()] == ["anomalous", "anomalous", "normal", "not scored"])
        above = int((stub.NORMALS > 0.57).sum())
        assert above > 2
        wait.until(lambda _: f"At the threshold 0.57, {above} of 20 good pictures" in said())

        link = chrome.find_element(By.CSS_SELECTOR, "#summary a")
        assert link.get_attribute("download") == "predictions.csv"
        text = base64.b64decode(str(link.get_attribute("href")).partition(",")[2]).decode("utf-8-sig")
        rows = {row["path"]: row for row in csv.DictReader(io.StringIO(text))}
        assert [row["anomalous"] for row in rows.values()] == ["False", "True", "True", ""]
        assert float(rows["bad.png"]["score"]) == pytest.approx(0.8)

        asked = addresses(chrome)
        assert f"{server.address}/config" in asked or len(asked) > 10
        assert not [address for address in asked if not address.startswith(server.address)]
        assert not [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
        chrome.set_window_size(500, 900)
        assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert len(list(server.cache.rglob("*-overlay.jpg"))) == 3
    end = time.monotonic() + 30
    while list(server.cache.rglob("*-overlay.jpg")):
        assert time.monotonic() < end, "the pictures of a closed page stay"
        time.sleep(0.2)
