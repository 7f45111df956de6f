"""``python -m course_lib.judges`` trains Storybook's judges again, and prints their marks."""

from course_lib.data.storybook import Storybook
from course_lib.judges import scenes, things
from course_lib.judges.pages import draw_pages, study_pages
from course_lib.judges.study import ship

if __name__ == "__main__":
    studied, unseen = study_pages(8000, seed=101), draw_pages(Storybook(seed=202), range(1000))
    for judge in (things, scenes):
        print(judge.NAME)
        fitted = judge.fit(studied)
        ship(fitted, judge.NAME, judge.report(fitted, unseen))
