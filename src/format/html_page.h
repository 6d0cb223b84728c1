/**
 * Reports for people as one HTML file: title and verdict, key figures, tables, findings, charts.
 *
 * The file is self-contained: no script, no resource from elsewhere (a content security policy in
 * its head forbids both, should a text ever slip through), light and dark after the reader's
 * setting, wide tables scroll, prints in black on white. It is well-formed XML too. Headings nest,
 * tables have captions and row headers, and what a colour says is said in words or signs as well.
 * Every text is escaped (format/markup_text.h). The same calls give the same bytes.
 *
 * Write in this order: mq_html_begin, then sections with anything in them, mq_html_finish. What is
 * begun (a table, a list) ends by itself when something else begins. The functions keep the first
 * failure, mq_html_finish reports it. Threads: one page, one thread at a time.
 */
#ifndef MQ_FORMAT_HTML_PAGE_H
#define MQ_FORMAT_HTML_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/markup_text.h"
#include "format/svg_plot.h"

#define MQ_HTML_COLUMNS_MAX 64

/** What a figure, a cell or a finding says; all but PLAIN and BEST bear a sign before their text.
 */
enum mq_html_tone {
    MQ_HTML_PLAIN = 0,
    MQ_HTML_GOOD, /**< passed */
    MQ_HTML_BAD,  /**< failed */
    MQ_HTML_WARN, /**< to be looked at */
    MQ_HTML_BEST  /**< the best of its row or column: bold */
};

struct mq_html_head {
    const char *title;
    const char *summary;    /**< one or two sentences: the outcome */
    const char *verdict;    /**< one word or two beside the title: "passed"; NULL: none */
    enum mq_html_tone tone; /**< of the verdict */
    const char *language;   /**< BCP 47: "en", "zh-CN"; NULL: "en" */
};

/** One of the few figures at the top. */
struct mq_html_figure {
    const char *name, *value;
    const char *note; /**< small, below; NULL: none */
    enum mq_html_tone tone;
};

struct mq_html_column {
    const char *title;
    bool is_number; /**< right-aligned */
};

struct mq_html_page {
    struct mq_markup markup;
    int block; /* what is open */
    bool has_section;
    int sections, plots;
    struct mq_html_column columns[MQ_HTML_COLUMNS_MAX]; /* of the open table; titles not kept */
    int column_count, column;                           /* column: of the next cell */
};

/** @param out borrowed until mq_html_finish */
void mq_html_begin(struct mq_html_page *page, struct mq_writer *out,
                   const struct mq_html_head *head);

/** Key figures as tiles. */
void mq_html_figures(struct mq_html_page *page, const struct mq_html_figure *figures, int count);

/** A new section under a heading. */
void mq_html_section(struct mq_html_page *page, const char *heading);

/** A paragraph, printf; what is formatted is escaped as a whole. */
void mq_html_paragraph(struct mq_html_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** A table; cells follow row by row, the first of each row is its header. @param count at most
 * MQ_HTML_COLUMNS_MAX */
void mq_html_table(struct mq_html_page *page, const char *caption,
                   const struct mq_html_column *columns, int count);

void mq_html_cell(struct mq_html_page *page, enum mq_html_tone tone, const char *text);
void mq_html_cell_format(struct mq_html_page *page, enum mq_html_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** 1,000,209 */
void mq_html_cell_count(struct mq_html_page *page, enum mq_html_tone tone, int64_t count);
/** A dash where not finite. */
void mq_html_cell_number(struct mq_html_page *page, enum mq_html_tone tone, double value,
                         int decimals);
/** As above, with the ends of its interval in small below; without where they are not finite. */
void mq_html_cell_interval(struct mq_html_page *page, enum mq_html_tone tone, double value,
                           double low, double high, int decimals);

/** An entry of a list: a statement, a sentence on it (NULL: none), lines of data as examples. */
void mq_html_finding(struct mq_html_page *page, enum mq_html_tone tone, const char *statement,
                     const char *detail, const char *const *examples, int example_count);

/* Charts; the caption stands below. @param description for who does not see it; NULL: the caption
 */
void mq_html_bars(struct mq_html_page *page, const char *caption, const char *description,
                  const struct mq_svg_bars *bars);
void mq_html_lines(struct mq_html_page *page, const char *caption, const char *description,
                   const struct mq_svg_lines *lines);
void mq_html_histogram(struct mq_html_page *page, const char *caption, const char *description,
                       const struct mq_svg_histogram *histogram);

/**
 * End the page. Does not commit `out`.
 * @param footer NULL: none
 * @return MQ_OK | an error of the sink | MQ_E_RANGE (a chart or table too large) | MQ_E_USAGE (a
 *         row left short, a cell outside a table)
 */
enum mq_status mq_html_finish(struct mq_html_page *page, const char *footer, struct mq_error *err);

#endif
