"""How features are called: by the number of their latent, and by a sign where positive and negative values are told apart."""

import numpy as np
import pandas as pd


def feature_ids(n_features: int, signed: bool) -> pd.DataFrame:
    """Columns feature (int32) and sign (int8) of each of the features that are told apart."""
    place = np.arange(n_features)
    feature, sign = (place // 2, 1 - 2 * (place % 2)) if signed else (place, np.ones(n_features, np.int64))
    return pd.DataFrame({"feature": feature.astype(np.int32), "sign": sign.astype(np.int8)})
