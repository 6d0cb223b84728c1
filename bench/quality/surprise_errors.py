"""RMSE of scikit-surprise's neighbours, for rating_error.py: it lives in a Python of its own.

    python3 surprise_errors.py TRAIN TEST     "user item rating time" a line; prints one JSON object
"""
import json
import sys

import numpy as np
import pandas
from surprise import Dataset, KNNBaseline, KNNWithMeans, Reader

train, test = (np.loadtxt(path, dtype=np.int64)[:, :3] for path in sys.argv[1:])
frame = pandas.DataFrame(train, columns=["user", "item", "rating"])
ratings = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()
tests = [(int(u), int(i), float(r)) for u, i, r in test]
errors = {}
for based, by_users in ("item-based", False), ("user-based", True):
    for form, similarity in (KNNBaseline, "pearson_baseline"), (KNNWithMeans, "pearson"):
        how = {"name": similarity, "user_based": by_users}
        model = form(k=40, sim_options=how, bsl_options={"method": "als"}, verbose=False) \
            if form is KNNBaseline else form(k=40, sim_options=how, verbose=False)
        predictions = model.fit(ratings).test(tests)
        error = np.sqrt(np.mean([(one.r_ui - one.est) ** 2 for one in predictions]))
        errors[f"{based} {form.__name__}"] = float(error)
print(json.dumps(errors))
