/* Every figure of the evaluation against tests/golden/evaluation_golden.py. MARQUEE_GOLDEN names
 * another folder with the file. */
#include "check.h"

#include <math.h>

#include "evaluation_fixture.h"

/* Both sides sum doubles, in another order. */
#define TOLERANCE 1e-9

static const char *
golden_folder(char room[4096])
{
    const char *other = getenv("MARQUEE_GOLDEN"), *source = getenv("MARQUEE_SOURCE");
    if (other != NULL)
        return other;
    snprintf(room, 4096, "%s/tests/golden/data", source != NULL ? source : ".");
    return room;
}

/* Figures that differ from what is expected. */
static int
wrong_figures(const struct mq_eval_report *report, const json_t *expected, int *ret_compared)
{
    int wrong = 0;
    *ret_compared = 0;
    for (int s = 0; s < report->system_count; s++) {
        json_t *figures = json_object_get(expected, report->systems[s].name);
        const char *key;
        json_t *value;
        json_object_foreach(figures, key, value)
        {
            const struct mq_eval_figure *figure = mq_eval_report_find(report, s, key, NULL);
            assert_non_null(figure);
            wrong += !(fabs(figure->value.value - json_number_value(value)) < TOLERANCE);
            ++*ret_compared;
        }
    }
    return wrong;
}

static void
figures_are_those_of_numpy(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char room[4096];
    struct evaluation_fixture f;
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    int compared;
    fixture_make(golden_folder(room), NULL, &f);
    struct mq_eval_input input = fixture_input(&f, 0, entries);
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    json_t *expected = json_object_get(f.document, "expected");
    assert_int_equal(wrong_figures(report, expected, &compared), 0);
    /* 12 figures at 3 cuts but diversity at 1, of 3 systems; RMSE and MAE of two */
    assert_int_equal(compared, 3 * (12 * 3 - 1) + 2 * 2);
    /* a planted wrong value is seen */
    json_t *live = json_object_get(expected, "live");
    json_object_set_new(live, "ndcg_5",
                        json_real(json_number_value(json_object_get(live, "ndcg_5")) + 1e-6));
    assert_int_equal(wrong_figures(report, expected, &compared), 1);
    mq_eval_report_free(report);
    fixture_release(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_numpy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
