"""The store behind the stand-in of the Atmosphere Data Store while nothing is wrong: jobs, their files, the account."""

import base64
import copy
import datetime
import hashlib
import json
import re
import urllib.parse
import uuid

from aurorascope.cams.request import DATASET

from tests.cams.ads_answers import LICENCE, Job, Reply, json_reply, plain_status, refusal

_COST_LIMIT = 10_000


class Store:
    """Jobs and files; `AdsServer` adds faults and the wire. Methods `_on_...` answer the calls of that place.

    Args:
        base: address without `/api`.
        body: called with a date and the inputs, returns the zip's bytes.
        polls: looks that find a new job unfinished.
        cache: answer a request that has succeeded before with a job that is finished at once.
    """

    def __init__(self, base, body, polls, cache):
        self.base, self.url = base, f"{base}/api"
        self.polls, self.cache = polls, cache
        self.licensed, self.ranges, self.listed_requests, self.normalised = True, "yes", True, False
        self.messages, self.jobs = [], []
        self._body, self._good, self._assets, self._asset_dates = body, {}, {}, {}

    def _add(self, inputs, dataset, status):
        created = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        if self.jobs:
            # The list of jobs is paged by this time.
            last = datetime.datetime.fromisoformat(self.jobs[-1].created)
            created = max(created, last + datetime.timedelta(microseconds=1))
        stamp = created.isoformat(timespec="microseconds")
        job = Job(str(uuid.uuid4()), copy.deepcopy(inputs), date_of(inputs), stamp, dataset, status, self.polls)
        self.jobs.append(job)
        return job

    def _on_messages(self, **_):
        return json_reply({"messages": self.messages})

    def _on_collection(self, dataset, **_):
        if dataset != DATASET:
            return json_reply({"detail": "Not Found"}, 404)
        links = [
            {"rel": "self", "href": f"{self.url}/catalogue/v1/collections/{dataset}"},
            {"rel": "license", "href": f"{self.base}/licences/{LICENCE['id']}.pdf", "title": LICENCE["label"]},
            {"rel": "retrieve", "href": f"{self.url}/retrieve/v1/processes/{dataset}"},
        ]
        extent = {"spatial": {"bbox": [[0, -89, 360, 89]]}, "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]}}
        return json_reply({"type": "Collection", "id": dataset, "title": dataset, "extent": extent, "links": links})

    def _on_licences(self, **_):
        return json_reply({"licences": [LICENCE]})

    def _on_accepted(self, **_):
        return json_reply({"licences": [{"id": LICENCE["id"], "revision": 1}] if self.licensed else []})

    def _on_accept(self, **_):
        self.licensed = True
        return json_reply({"id": LICENCE["id"], "revision": 1})

    def _on_auth(self, **_):
        return json_reply({"sub": "1", "role": "user", "email": "somebody@example.org"})

    def _on_process(self, dataset, **_):
        if dataset != DATASET:
            return refusal("no_dataset", dataset=dataset)
        return json_reply({"id": dataset, "version": "1.0.0", "metadata": {"datasetMetadata": {"messages": []}}})

    def _on_costs(self, content, **_):
        cost = _cost(json.loads(content)["inputs"])
        return json_reply({"id": "size", "cost": cost, "limit": _COST_LIMIT, "request_is_valid": cost <= _COST_LIMIT})

    def _on_submit(self, dataset, inputs, **_):
        if dataset != DATASET:
            return refusal("no_dataset", dataset=dataset)
        if not _is_valid(inputs):
            return refusal("invalid")
        if _cost(inputs) > _COST_LIMIT:
            return refusal("cost")
        if not self.licensed:
            return refusal("licence", base=self.base)
        job = self._add(inputs, dataset, "accepted")
        before = [j for j in self.jobs if j.inputs == inputs and j.status == "successful" and not j.expired]
        if self.cache and before:
            job.status, job.asset = "successful", before[-1].asset
        document = job.info(self.url, {})
        here = f"{self.url}/retrieve/v1/processes/{dataset}/execution"
        document["links"] = [
            {"rel": "self", "href": here}, {"rel": "monitor", "href": f"{self.url}/retrieve/v1/jobs/{job.id}"}
        ]
        return json_reply(document, 201)

    def _on_job(self, job, query, **names):
        if job is None or job.status == "gone":
            return refusal("dismissed_job" if job else "no_job", job=names["job_id"])
        metadata = {}
        if "request" in query:
            metadata["request"] = {"ids": self._spelled(job.inputs), "labels": {}}
        if "log" in query:
            since = query.get("logStartTime", [""])[0]
            metadata["log"] = [[t, text] for t, text in [[job.created, "INFO: Request accepted."]] if t >= since]
        return json_reply(job.info(self.url, metadata))

    def _on_poll(self, job, **names):
        if job is not None:
            job.look()
        return self._on_job(job, **names)

    def _on_jobs(self, query, **_):
        ascending = query.get("sortby", ["-created"])[0] == "created"
        limit = int(query.get("limit", ["10"])[0])
        if not 1 <= limit <= 10_000:
            return refusal("unprocessable")
        found = [j for j in self.jobs if j.status != "gone" and j.status in query.get("status", [j.status])]
        found.sort(key=lambda job: job.created, reverse=not ascending)
        if "cursor" in query:
            last = base64.b64decode(query["cursor"][0]).decode()
            found = [job for job in found if (job.created > last if ascending else job.created < last)]
        page = found[:limit]
        links = [{"rel": "self", "href": f"{self.url}/retrieve/v1/jobs"}]
        # Like the real store, which offers a next page after the last one; that one is empty.
        if page:
            more = {**query, "cursor": base64.b64encode(page[-1].created.encode()).decode(), "back": "False"}
            links.append({"rel": "next", "href": f"{links[0]['href']}?{urllib.parse.urlencode(more, doseq=True)}"})
        jobs = [job.info(self.url, self._listed(job)) for job in page]
        return json_reply({"jobs": jobs, "links": links, "metadata": {"totalCount": len(found)}})

    def _listed(self, job):
        return {"request": {"ids": self._spelled(job.inputs), "labels": {}}} if self.listed_requests else {}

    def _spelled(self, inputs):
        if not self.normalised:
            return inputs
        return {
            key: value if not isinstance(value, list) else value[0] if len(value) == 1 else value[::-1]
            for key, value in sorted(inputs.items())
        }

    def _on_delete(self, job, job_id, **_):
        if job is None or job.status == "gone":
            return refusal("dismissed_job" if job else "no_job", job=job_id)
        job.status = "dismissed"
        document = job.info(self.url, {})
        job.status = "gone"
        return json_reply(document)

    def _on_results(self, job, **names):
        if job is None or job.status == "gone":
            return refusal("dismissed_job" if job else "no_job", job=names["job_id"])
        if job.status in ("failed", "rejected"):
            title = f"The job has {'failed' if job.status == 'failed' else 'been rejected'}"
            parts = {"type": f"job results {job.status}", "title": title, "status": 400, "traceback": job.reason}
            return json_reply(parts, 400)
        if job.status != "successful":
            return refusal("not_ready", job=job.id, status=job.status)
        if job.expired:
            return refusal("expired", job=job.id)
        name = self._asset(job)
        value = {
            "type": "application/zip", "href": f"{self.base}/cache/{name}", "file:size": len(self._assets[name]),
            "file:checksum": name[:32], "file:local_path": f"s3://cache/{name}",
        }
        return json_reply({"asset": {"value": value}})

    def _asset(self, job):
        """Name of a job's file, which is made when it is first asked for."""
        if job.asset is None:
            text = json.dumps(job.inputs, sort_keys=True)
            if text not in self._good:
                self._good[text] = self._body(job.date, job.inputs)
            data = self._delivered(job, self._good[text])
            job.asset = hashlib.sha256(job.date.encode() + data).hexdigest() + ".zip"
            self._assets[job.asset], self._asset_dates[job.asset] = data, job.date
        return job.asset

    def _delivered(self, job, data):
        """What a job delivers instead of a good day."""
        return data

    # The file, which lies elsewhere and asks for no token.

    def _on_asset(self, asset, **names):
        if asset not in self._assets:
            return plain_status(404, {"title": "NoSuchKey"})
        return self._file(self._assets[asset], names["range"])

    def _on_asset_head(self, **names):
        return self._on_asset(**{**names, "range": None})

    def _file(self, data, wanted):
        headers = {"Content-Type": "application/zip"}
        if self.ranges != "no":
            headers["Accept-Ranges"] = "bytes"
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        if not match or self.ranges != "yes":
            return Reply(200, data, headers)
        start = int(match[1])
        if start >= len(data):
            return Reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return Reply(206, data[start:], headers)

    def _job(self, name):
        return next((job for job in self.jobs if job.id == name), None)


def date_of(inputs):
    """The day that a request is for."""
    try:
        return inputs["date"][0].split("/")[0]
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def _is_valid(inputs):
    needed = ("date", "time", "variable", "type", "leadtime_hour", "pressure_level")
    if not isinstance(inputs, dict) or any(not isinstance(inputs.get(key), list) or not inputs[key] for key in needed):
        return False
    first, _, last = inputs["date"][0].partition("/")
    # Days of this server cover the globe, one at a time; it refuses what it would have to ignore.
    return len(inputs["date"]) == 1 and last in ("", first) and not {"area", "grid"} & set(inputs)


def _cost(inputs):
    """The real store multiplies the lengths of the lists."""
    cost = 1
    for value in inputs.values():
        cost *= len(value) if isinstance(value, list) else 1
    return cost
