"""``python -m course_lib.metrics`` trains the networks of features again, of scores and losses."""

from course_lib.judges.pages import study_pages
from course_lib.judges.study import ship
from course_lib.metrics import features

if __name__ == "__main__":
    studied, unseen = study_pages(6000, seed=303), study_pages(1000, seed=404)
    print(features.NAME)
    fitted = features.fit(studied)
    ship(fitted, features.NAME, features.report(fitted, unseen))
    print("perceptual")
    perceptual = features.fit_perceptual(studied)
    ship(perceptual, "perceptual", features.report_perceptual(perceptual, unseen))
