/* write_evaluation OUT DATA: OUT/report.json and report.html of evaluation_golden.json. */
#include "check.h"

#include "evaluation_fixture.h"

int
main(int argc, char **argv)
{
    struct mq_error err = {0};
    struct evaluation_fixture f;
    struct mq_eval_entry entries[EVALUATION_SYSTEMS];
    struct mq_eval_report *report;
    struct mq_writer *json, *page;
    char path[4200];
    if (argc != 3)
        return 2;
    fixture_make(argv[2], NULL, &f);
    struct mq_eval_input input = fixture_input(&f, 4000, entries);
    check_ok(mq_eval_report_make(&input, NULL, &report, &err));
    snprintf(path, sizeof(path), "%s/report.json", argv[1]);
    check_ok(mq_writer_to_file(path, &json, &err));
    check_ok(mq_eval_report_write_json(report, NULL, json, &err));
    check_ok(mq_writer_commit(json, &err));
    mq_writer_close(json);
    snprintf(path, sizeof(path), "%s/report.html", argv[1]);
    check_ok(mq_writer_to_file(path, &page, &err));
    check_ok(mq_eval_report_write_html(report, NULL, page, &err));
    check_ok(mq_writer_commit(page, &err));
    mq_writer_close(page);
    mq_eval_report_free(report);
    fixture_release(&f);
    return 0;
}
