#include "check.h"

#include <expat.h>
#include <math.h>
#include <stdlib.h>

#include "format/html_page.h"
#include "format/number_text.h"

static const char hostile[] =
    "</title></style><script>alert('x')</script>&\"\x01\xff\xed\xa0\x80\xef\xbf\xbf\xc2\x85 ok";
static const char harmless[] =
    "&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"
    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd ok";

/* ---- what the reader of a page meets ------------------------------------------------------ */

struct elements {
    int depth, captions, headings, svgs, titles, descriptions, ids;
    char seen[64][32]; /* ids */
};

static void XMLCALL
on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct elements *e = context;
    e->depth++;
    e->captions += strcmp(name, "caption") == 0;
    e->headings += strcmp(name, "h2") == 0;
    e->svgs += strcmp(name, "svg") == 0;
    e->titles += strcmp(name, "title") == 0;
    e->descriptions += strcmp(name, "desc") == 0;
    if (strcmp(name, "script") == 0 || strcmp(name, "img") == 0 || strcmp(name, "link") == 0 ||
        strcmp(name, "iframe") == 0)
        fail_msg("element %s", name);
    for (int i = 0; attributes[i] != NULL; i += 2) {
        if (strncmp(attributes[i], "on", 2) == 0 || strcmp(attributes[i], "href") == 0 ||
            strcmp(attributes[i], "src") == 0 || strcmp(attributes[i], "style") == 0)
            fail_msg("attribute %s", attributes[i]);
        if (strcmp(attributes[i], "id") != 0)
            continue;
        for (int k = 0; k < e->ids; k++)
            assert_string_not_equal(e->seen[k], attributes[i + 1]);
        assert_true(e->ids < 64);
        strncpy(e->seen[e->ids++], attributes[i + 1], 31);
    }
}

static void XMLCALL
on_end(void *context, const XML_Char *name)
{
    (void)name;
    ((struct elements *)context)->depth--;
}

/* Parse as XML; well-formed or the test fails. */
static struct elements
parse(const struct mq_buffer *page)
{
    struct elements elements = {0};
    XML_Parser parser = XML_ParserCreate("UTF-8");
    XML_SetUserData(parser, &elements);
    XML_SetElementHandler(parser, on_start, on_end);
    if (XML_Parse(parser, page->data, (int)page->size, 1) != XML_STATUS_OK)
        fail_msg("line %lu: %s", XML_GetCurrentLineNumber(parser),
                 XML_ErrorString(XML_GetErrorCode(parser)));
    XML_ParserFree(parser);
    assert_int_equal(elements.depth, 0);
    return elements;
}

/* ---- pages -------------------------------------------------------------------------------- */

static const char *const systems[] = {"popularity", "item-based", "hybrid <b>"};
static const char *const cuts[] = {"HR@10", "HR@50"};
static const double value[] = {0.034, 0.131, 0.091, 0.27, 0.205, NAN};
static const double low[] = {0.03, 0.12, 0.085, 0.26, 0.195, NAN};
static const double high[] = {0.038, 0.14, 0.097, 0.28, 0.215, NAN};
static const struct mq_svg_bars bars = {
    .group_count = 3,
    .series_count = 2,
    .groups = systems,
    .series = cuts,
    .value = value,
    .low = low,
    .high = high,
    .name = "hit rate",
    .decimals = 3,
};

static const char *const days[] = {"03-01", "03-02", "03-03", "03-04"};
static const double volume[] = {10200, 9800, NAN, 12400};
static const double volume_low[] = {9000, 9000, 9000, 9000};
static const double volume_high[] = {15000, 15000, 15000, 15000};
static const struct mq_svg_limit volume_limit = {"least", 5000};
static const struct mq_svg_lines lines = {
    .point_count = 4,
    .series_count = 1,
    .points = days,
    .value = volume,
    .low = volume_low,
    .high = volume_high,
    .limits = &volume_limit,
    .limit_count = 1,
    .y_name = "events",
    .from_zero = true,
};

static const char *const stars[] = {"1", "2", "3", "4", "5"};
static const char *const times[] = {"today", "last 28 days"};
static const double shares[] = {.05, .1, .26, .35, .24, .06, .11, .26, .34, .23};
static const struct mq_svg_histogram histogram = {
    .bin_count = 5,
    .series_count = 2,
    .bins = stars,
    .series = times,
    .value = shares,
    .x_name = "rating",
    .y_name = "share of ratings",
    .decimals = 2,
};

/* A page with everything in it, `text` wherever a text from outside may stand. */
static void
write_all(struct mq_buffer *buffer, const char *text)
{
    struct mq_error err = {0};
    struct mq_writer *out;
    struct mq_html_page page;
    const struct mq_html_column columns[] = {{text, false}, {"figure", true}, {"limit", true}};
    const struct mq_html_figure figures[] = {{text, text, text, MQ_HTML_GOOD},
                                             {"refused", "3", NULL, MQ_HTML_BAD}};
    const char *const examples[] = {text, "{\"user\":1}"};
    const char *const names[] = {text, text, text};
    struct mq_svg_bars hostile_bars = bars;
    hostile_bars.groups = names;
    hostile_bars.series = names;
    hostile_bars.name = text;
    struct mq_svg_limit limit = {text, 7000};
    struct mq_svg_lines hostile_lines = lines;
    hostile_lines.limits = &limit;
    hostile_lines.y_name = text;
    struct mq_svg_histogram hostile_histogram = histogram;
    hostile_histogram.x_name = text;
    hostile_histogram.series = names;
    check_ok(mq_writer_to_buffer(buffer, &out, &err));
    mq_html_begin(&page, out,
                  &(struct mq_html_head){.title = text,
                                         .summary = text,
                                         .verdict = text,
                                         .tone = MQ_HTML_WARN,
                                         .language = text});
    mq_html_figures(&page, figures, 2);
    mq_html_section(&page, text);
    mq_html_paragraph(&page, "%s of %d", text, 3);
    mq_html_table(&page, text, columns, 3);
    mq_html_cell(&page, MQ_HTML_PLAIN, text);
    mq_html_cell_number(&page, MQ_HTML_GOOD, 0.25, 3);
    mq_html_cell_count(&page, MQ_HTML_PLAIN, -1234567);
    mq_html_cell_format(&page, MQ_HTML_BEST, "%s!", text);
    mq_html_cell_interval(&page, MQ_HTML_BAD, 0.5, 0.25, 0.75, 2);
    mq_html_cell_number(&page, MQ_HTML_PLAIN, NAN, 3);
    mq_html_finding(&page, MQ_HTML_BAD, text, text, examples, 2);
    mq_html_finding(&page, MQ_HTML_GOOD, "fine", NULL, NULL, 0);
    mq_html_section(&page, "charts");
    mq_html_bars(&page, text, text, &hostile_bars);
    mq_html_lines(&page, text, NULL, &hostile_lines);
    mq_html_histogram(&page, text, text, &hostile_histogram);
    check_ok(mq_html_finish(&page, text, &err));
    check_ok(mq_writer_commit(out, &err));
    mq_writer_close(out);
}

static void
page_is_well_formed_and_accessible(void **state)
{
    (void)state;
    struct mq_buffer page = {0}, again = {0};
    write_all(&page, "Evaluation of 2026-03-04");
    write_all(&again, "Evaluation of 2026-03-04");
    assert_int_equal(page.size, again.size);
    assert_memory_equal(page.data, again.data, page.size);
    struct elements e = parse(&page);
    assert_int_equal(e.captions, 1);
    assert_int_equal(e.headings, 2);
    assert_int_equal(e.svgs, 3);
    assert_int_equal(e.descriptions, 3);
    /* page, charts, 5 bars, 3 dots, 10 bins */
    assert_int_equal(e.titles, 1 + 3 + 5 + 3 + 10);
    assert_int_equal(e.ids, 2 + 2 * 3);
    check_contains(page.data, "<td class=\"n bad\">\xe2\x9c\x97 0.50<small>0.25 to 0.75</small>");
    check_contains(page.data, "<td class=\"n\">-1,234,567</td></tr>");
    check_contains(page.data, "prefers-color-scheme:dark");
    mq_buffer_release(&page);
    mq_buffer_release(&again);
}

static void
hostile_text_stays_text(void **state)
{
    (void)state;
    struct mq_buffer page = {0};
    write_all(&page, hostile);
    parse(&page); /* which refuses scripts, links, handlers */
    assert_null(strstr(page.data, "<script"));
    assert_null(strchr(page.data, '\x01'));
    check_contains(page.data, harmless);
    mq_buffer_release(&page);
}

static void
small_page_byte_by_byte(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *out;
    struct mq_html_page page;
    const struct mq_html_column columns[] = {{"rule", false}, {"figure", true}};
    const double one[] = {2}, end_low[] = {1}, end_high[] = {3};
    const char *const name[] = {"a"};
    check_ok(mq_writer_to_buffer(&buffer, &out, &err));
    mq_html_begin(&page, out,
                  &(struct mq_html_head){
                      .title = "T", .summary = "S", .verdict = "passed", .tone = MQ_HTML_GOOD});
    mq_html_section(&page, "H");
    mq_html_table(&page, "C", columns, 2);
    mq_html_cell(&page, MQ_HTML_PLAIN, "r");
    mq_html_cell_number(&page, MQ_HTML_GOOD, 0.5, 1);
    mq_html_bars(&page, "B", NULL,
                 &(struct mq_svg_bars){.group_count = 1,
                                       .series_count = 1,
                                       .groups = name,
                                       .value = one,
                                       .low = end_low,
                                       .high = end_high});
    check_ok(mq_html_finish(&page, "F", &err));
    check_ok(mq_writer_commit(out, &err));
    mq_writer_close(out);
    static const char expected[] =
        "<body>\n<header>\n<h1>T</h1>\n"
        "<strong class=\"verdict good\">\xe2\x9c\x93 passed</strong>\n"
        "<p class=\"summary\">S</p>\n</header>\n<main>\n"
        "<section aria-labelledby=\"part-1\">\n<h2 id=\"part-1\">H</h2>\n"
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"C\"><table>\n"
        "<caption>C</caption>\n"
        "<thead><tr><th scope=\"col\">rule</th><th scope=\"col\" class=\"n\">figure</th></tr>"
        "</thead>\n<tbody>\n"
        "<tr><th scope=\"row\">r</th><td class=\"n good\">\xe2\x9c\x93 0.5</td></tr>\n"
        "</tbody>\n</table></div>\n<figure>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 720 55\" "
        "role=\"img\" aria-labelledby=\"plot-1-title plot-1-text\">\n"
        "<title id=\"plot-1-title\">B</title>\n<desc id=\"plot-1-text\">B</desc>\n"
        "<line class=\"grid\" x1=\"52.0\" y1=\"2.0\" x2=\"52.0\" y2=\"31.0\"/>\n"
        "<text x=\"52.0\" y=\"49.0\" text-anchor=\"middle\">0.0</text>\n"
        "<line class=\"grid\" x1=\"152.7\" y1=\"2.0\" x2=\"152.7\" y2=\"31.0\"/>\n"
        "<text x=\"152.7\" y=\"49.0\" text-anchor=\"middle\">0.5</text>\n"
        "<line class=\"grid\" x1=\"253.3\" y1=\"2.0\" x2=\"253.3\" y2=\"31.0\"/>\n"
        "<text x=\"253.3\" y=\"49.0\" text-anchor=\"middle\">1.0</text>\n"
        "<line class=\"grid\" x1=\"354.0\" y1=\"2.0\" x2=\"354.0\" y2=\"31.0\"/>\n"
        "<text x=\"354.0\" y=\"49.0\" text-anchor=\"middle\">1.5</text>\n"
        "<line class=\"grid\" x1=\"454.7\" y1=\"2.0\" x2=\"454.7\" y2=\"31.0\"/>\n"
        "<text x=\"454.7\" y=\"49.0\" text-anchor=\"middle\">2.0</text>\n"
        "<line class=\"grid\" x1=\"555.3\" y1=\"2.0\" x2=\"555.3\" y2=\"31.0\"/>\n"
        "<text x=\"555.3\" y=\"49.0\" text-anchor=\"middle\">2.5</text>\n"
        "<line class=\"grid\" x1=\"656.0\" y1=\"2.0\" x2=\"656.0\" y2=\"31.0\"/>\n"
        "<text x=\"656.0\" y=\"49.0\" text-anchor=\"middle\">3.0</text>\n"
        "<text x=\"44.0\" y=\"20.5\" text-anchor=\"end\">a</text>\n"
        "<rect class=\"bar s0\" x=\"52.0\" y=\"9.0\" width=\"402.7\" height=\"15.0\">"
        "<title>a: 2 (1 to 3)</title></rect>\n"
        "<line class=\"interval\" x1=\"253.3\" y1=\"16.5\" x2=\"656.0\" y2=\"16.5\"/>\n"
        "<line class=\"interval\" x1=\"253.3\" y1=\"12.5\" x2=\"253.3\" y2=\"20.5\"/>\n"
        "<line class=\"interval\" x1=\"656.0\" y1=\"12.5\" x2=\"656.0\" y2=\"20.5\"/>\n"
        "<text class=\"figure\" x=\"662.0\" y=\"21.0\">2</text>\n"
        "<line class=\"axis\" x1=\"52.0\" y1=\"2.0\" x2=\"52.0\" y2=\"31.0\"/>\n"
        "</svg>\n<figcaption>B</figcaption>\n</figure>\n</section>\n</main>\n"
        "<footer>F</footer>\n</body>\n</html>\n";
    const char *body = strstr(buffer.data, "<body>");
    assert_non_null(body);
    assert_string_equal(body, expected);
    mq_buffer_release(&buffer);
}

/* ---- charts ------------------------------------------------------------------------------- */

enum chart { BARS, LINES, HISTOGRAM };

/* Draw one chart alone. @return its text, to be freed; NULL where it was refused */
static char *
draw(enum chart chart, const void *data, struct mq_error *ret_err)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_markup markup = {0};
    const struct mq_svg_head head = {.number = 1, .title = "volume"};
    check_ok(mq_writer_to_buffer(&buffer, &markup.out, &err));
    if (chart == BARS)
        mq_svg_bars(&markup, &head, data);
    else if (chart == LINES)
        mq_svg_lines(&markup, &head, data);
    else
        mq_svg_histogram(&markup, &head, data);
    enum mq_status st = mq_markup_finish(&markup, ret_err);
    check_ok(mq_writer_commit(markup.out, &err));
    mq_writer_close(markup.out);
    if (st != MQ_OK) {
        assert_int_equal(st, MQ_E_RANGE);
        mq_buffer_release(&buffer);
        return NULL;
    }
    parse(&buffer);
    return mq_buffer_take(&buffer);
}

static int
occurrences(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

static void
gaps_break_lines(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char *text = draw(LINES, &lines, &err);
    /* two points joined, a gap, one alone: one path, three dots; the band is whole */
    assert_int_equal(occurrences(text, "class=\"path s0\""), 1);
    assert_int_equal(occurrences(text, "class=\"dot s0\""), 3);
    assert_int_equal(occurrences(text, "class=\"band s0\""), 1);
    assert_int_equal(occurrences(text, "class=\"limit\""), 1);
    check_contains(text, ">15 k</text>");
    check_contains(text, "<title>03-04: 12400 (9000 to 15000)</title>");
    free(text);
}

static void
numbers_on_both_axes(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const double x[] = {1.5, 2.5, 4.5}, y[] = {1.75, 2.5, 4};
    struct mq_svg_lines diagonal = {
        .point_count = 3, .series_count = 1, .x = x, .value = y, .diagonal = true, .decimals = 2};
    char *text = draw(LINES, &diagonal, &err);
    assert_int_equal(occurrences(text, "class=\"limit\""), 1);
    check_contains(text, "<title>2.50: 2.50</title>");
    free(text);
}

static void
bins_of_ranges(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const double edges[] = {0, 0.5, 1, 2}, counts[] = {3, 0, 9};
    struct mq_svg_histogram h = {
        .bin_count = 3, .series_count = 1, .edges = edges, .value = counts};
    char *text = draw(HISTOGRAM, &h, &err);
    check_contains(text, "<title>1.00 to 2.00: 9</title>");
    assert_int_equal(occurrences(text, "class=\"bar s0\""), 3);
    free(text);
}

static void
odd_values_are_drawn(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const char *const name[] = {"a very long name of a system that nobody would ever give to it"};
    const double odd[] = {0, -1e15, 1e15, 1e-300, -0.0, NAN, 1e-9, 12345678};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct mq_svg_bars b = {
            .group_count = 1, .series_count = 1, .groups = name, .value = &odd[i]};
        char *text = draw(BARS, &b, &err);
        assert_non_null(text);
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "inf"));
        check_contains(text, "\xe2\x80\xa6</text>");
        free(text);
        struct mq_svg_lines l = {
            .point_count = 1, .series_count = 1, .points = name, .value = &odd[i]};
        text = draw(LINES, &l, &err);
        assert_non_null(text);
        assert_null(strstr(text, "nan"));
        free(text);
    }
}

static void
too_much_is_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_svg_bars b = bars;
    b.group_count = MQ_SVG_GROUPS_MAX + 1;
    assert_null(draw(BARS, &b, &err));
    check_contains(err.message, "cannot draw 'volume': 65 groups (1 to 64)");
    b = bars;
    b.series_count = 0;
    assert_null(draw(BARS, &b, &err));
    b = bars;
    b.series = NULL;
    assert_null(draw(BARS, &b, &err));
    check_contains(err.message, "2 series without names");
    const double huge[] = {1e16, 0, 0, 0, 0, 0}, infinite[] = {1, 1, 1, INFINITY};
    b = bars;
    b.value = huge;
    assert_null(draw(BARS, &b, &err));
    check_contains(err.message, "a value of 1e+16");
    struct mq_svg_lines l = lines;
    l.value = infinite;
    assert_null(draw(LINES, &l, &err));
    const double twice[] = {1, 2, 2, 3};
    l = lines;
    l.points = NULL;
    l.x = twice;
    assert_null(draw(LINES, &l, &err));
    check_contains(err.message, "x 2 does not ascend");
    l = lines;
    l.limit_count = MQ_SVG_LIMITS_MAX + 1;
    assert_null(draw(LINES, &l, &err));
    const double negative[] = {1, 1, -1, 1, 1, 1, 1, 1, 1, 1};
    struct mq_svg_histogram h = histogram;
    h.value = negative;
    assert_null(draw(HISTOGRAM, &h, &err));
    check_contains(err.message, "a negative share");
}

/* ---- misuse and failures ------------------------------------------------------------------ */

static void
misuse_is_told(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_writer *out;
    struct mq_html_page page;
    const struct mq_html_column columns[] = {{"a", false}, {"b", true}};
    const struct mq_html_head head = {.title = "T", .summary = "S"};
    check_ok(mq_writer_to_buffer(&buffer, &out, &err));
    mq_html_begin(&page, out, &head);
    mq_html_table(&page, "C", columns, 2);
    mq_html_cell(&page, MQ_HTML_PLAIN, "alone");
    check_fails(MQ_E_USAGE, mq_html_finish(&page, NULL, &err));
    check_contains(err.message, "ends after 1 of 2 cells");
    mq_html_begin(&page, out, &head);
    mq_html_cell_count(&page, MQ_HTML_PLAIN, 1);
    check_fails(MQ_E_USAGE, mq_html_finish(&page, NULL, &err));
    mq_html_begin(&page, out, &head);
    mq_html_table(&page, "C", columns, MQ_HTML_COLUMNS_MAX + 1);
    check_fails(MQ_E_RANGE, mq_html_finish(&page, NULL, &err));
    mq_writer_close(out);
    mq_buffer_release(&buffer);
}

static void
full_sink_is_reported(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_buffer buffer;
    struct mq_writer *out;
    struct mq_html_page page;
    mq_buffer_init(&buffer, 1000);
    check_ok(mq_writer_to_buffer(&buffer, &out, &err));
    mq_html_begin(&page, out, &(struct mq_html_head){.title = "T", .summary = "S"});
    for (int i = 0; i < 10000; i++)
        mq_html_paragraph(&page, "line %d of a page that does not fit into its sink", i);
    check_fails(MQ_E_NOMEM, mq_html_finish(&page, NULL, &err));
    mq_writer_close(out);
    mq_buffer_release(&buffer);
}

static void
fixed_and_counted_numbers(void **state)
{
    (void)state;
    char text[MQ_REAL_TEXT_SIZE];
    static const struct {
        double value;
        int decimals;
        const char *text;
    } cases[] = {{0.25, 3, "0.250"}, {-0.0004, 3, "0.000"},
                 {-0.0, 0, "0"},     {-1.5, 1, "-1.5"},
                 {1e15, 2, "1e+15"}, {999999999999999.0, 0, "999999999999999"},
                 {NAN, 2, "nan"},    {-INFINITY, 2, "-inf"},
                 {1, -3, "1"},       {0.5, 99, "0.500000000000"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t length = mq_fixed_text(cases[i].value, cases[i].decimals, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(length, strlen(text));
    }
    static const struct {
        int64_t value;
        const char *text;
    } counts[] = {{0, "0"},
                  {999, "999"},
                  {-1000, "-1,000"},
                  {1000209, "1,000,209"},
                  {INT64_MIN, "-9,223,372,036,854,775,808"}};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        assert_int_equal(mq_count_text(counts[i].value, text), strlen(counts[i].text));
        assert_string_equal(text, counts[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_is_well_formed_and_accessible),
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(small_page_byte_by_byte),
        cmocka_unit_test(gaps_break_lines),
        cmocka_unit_test(numbers_on_both_axes),
        cmocka_unit_test(bins_of_ranges),
        cmocka_unit_test(odd_values_are_drawn),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(misuse_is_told),
        cmocka_unit_test(full_sink_is_reported),
        cmocka_unit_test(fixed_and_counted_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
