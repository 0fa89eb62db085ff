"""A block's comparison with other seeds in which what they share is known."""

import numpy as np
import torch
from aurorascope.blocks import BY_ID
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.measures.stability.measure import _compared
from aurorascope.sae.aurora_sae import AuroraSAE

# Of 64 features the first 20 are in both other seeds, the next 20 in the first of them alone; 5 is on for no held-out token.
N, BOTH, ONE, DEAD = 64, 20, 40, 5
SHA = "a" * 64


def planted_comparison(block, signed=False):
    """The record's content and the table of matches of a released dictionary and those of seeds 1 and 2."""
    rng = np.random.default_rng(0)
    W = np.linalg.qr(rng.standard_normal((N, N)))[0]

    def other(n_kept):
        # The rest spans what the rest of the released one spans, by other directions.
        turned = np.linalg.qr(rng.standard_normal((N - n_kept, N - n_kept)))[0] @ W[n_kept:]
        rows = np.concatenate([W[:n_kept] * (np.where(rng.random((n_kept, 1)) < 0.5, -1, 1) if signed else 1), turned])
        return rows[rng.permutation(N)]

    saes, alive = [_sae(rows, signed) for rows in (W, other(ONE), other(BOTH))], [np.ones(N, bool) for _ in range(3)]
    alive[0][DEAD] = False
    return _compared(BY_ID[block], [0, 1, 2], saes, alive, np.eye(N))


def _sae(rows, signed):
    W = torch.from_numpy(rows.astype(np.float32))
    more = {"k": torch.tensor(4), "signed": torch.tensor(True)} if signed else {}
    return AuroraSAE.from_tensors({"W_enc": W.T.contiguous(), "b_enc": torch.zeros(N), "W_dec": W, "b_dec": torch.zeros(N)} | more)


def write_comparison(results, block, sae_sha256=SHA):
    """Write it where a measurement would; returns the record's path."""
    content, table = planted_comparison(block)
    folder = results / "stability" / block
    write_table(folder / "matches.parquet", table)
    digest = sha256_file(folder / "matches.parquet")
    write_json(folder / "summary.json", {"kind": "stability", "format": 1, "block": block, **content, "sae_sha256": sae_sha256, "table_sha256": digest})
    return folder / "summary.json"
