#include "format/html_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What is open within a section. */
enum { BLOCK_NONE = 0, BLOCK_TABLE, BLOCK_FINDINGS };

static const char css[] =
    ":root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#1a202c;--muted:#566072;"
    "--line:#dfe3e8;--good:#0b7a45;--bad:#c0262d;--warn:#9a5b00;--good-back:#e6f5ec;"
    "--bad-back:#fdecec;--warn-back:#fdf3df}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--paper:#12161c;--card:#1b212a;"
    "--ink:#e6eaf0;--muted:#a0abbb;--line:#303945;--good:#54cf8e;--bad:#ff8080;--warn:#f2b24c;"
    "--good-back:#12311f;--bad-back:#3a1719;--warn-back:#35270e}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:62rem;padding:2rem 1.25rem 3rem;background:var(--paper);"
    "color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 .75rem 0 0;display:inline}\n"
    "h2{font-size:1.2rem;margin:2.25rem 0 .75rem;padding-bottom:.3rem;"
    "border-bottom:1px solid var(--line)}\n"
    ".summary{font-size:1.05rem;color:var(--muted);margin:.6rem 0 0;max-width:46rem}\n"
    ".verdict{display:inline-block;padding:.1rem .7rem;border-radius:1rem;font-weight:600;"
    "vertical-align:.25rem;border:1px solid}\n"
    ".good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.best{font-weight:700}\n"
    ".verdict.good,td.good{background:var(--good-back)}.verdict.bad,td.bad{"
    "background:var(--bad-back)}.verdict.warn,td.warn{background:var(--warn-back)}\n"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;"
    "margin:1.5rem 0 0}\n"
    ".figures div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"
    "padding:.7rem .9rem;break-inside:avoid}\n"
    ".figures dt{font-size:.85rem;color:var(--muted)}\n"
    ".figures dd{margin:0;font-size:1.45rem;font-weight:650;line-height:1.25;"
    "font-variant-numeric:tabular-nums}\n"
    ".figures .note{font-size:.8rem;font-weight:400;color:var(--muted)}\n"
    ".wide{overflow-x:auto;margin:.75rem 0 1.25rem}\n"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
    "caption{text-align:left;color:var(--muted);padding-bottom:.4rem}\n"
    "th,td{padding:.38rem .6rem;border-bottom:1px solid var(--line);text-align:left;"
    "vertical-align:top;unicode-bidi:isolate}\n"
    "thead th{border-bottom:2px solid var(--line);color:var(--muted);font-weight:600;"
    "vertical-align:bottom}\n"
    "tbody th{font-weight:500}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    "small{display:block;color:var(--muted);font-size:.8em}\n"
    ".findings{list-style:none;margin:.75rem 0 1.25rem;padding:0}\n"
    ".findings li{border-left:4px solid var(--line);background:var(--card);padding:.55rem .9rem;"
    "margin:0 0 .5rem;border-radius:0 .4rem .4rem 0;unicode-bidi:isolate;break-inside:avoid}\n"
    ".findings li.good{border-color:var(--good)}.findings li.bad{border-color:var(--bad)}"
    ".findings li.warn{border-color:var(--warn)}\n"
    ".findings p{margin:.15rem 0 0;color:var(--ink)}\n"
    "pre{margin:.5rem 0 0;padding:.5rem .7rem;background:var(--paper);border:1px solid var(--line);"
    "border-radius:.3rem;font:.82rem/1.45 ui-monospace,monospace;color:var(--ink);"
    "white-space:pre-wrap;overflow-wrap:anywhere}\n"
    "figure{margin:1rem 0 1.5rem;break-inside:avoid}\n"
    "figcaption{color:var(--muted);font-size:.9rem;margin-top:.4rem}\n"
    "footer{margin-top:2.5rem;padding-top:.75rem;border-top:1px solid var(--line);"
    "color:var(--muted);font-size:.85rem}\n"
    "@media print{body{max-width:none;padding:0;font-size:10.5pt}.wide{overflow:visible}"
    "h2{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group;break-after:avoid}"
    ".verdict,td,.figures div{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

static const char *
tone_class(enum mq_html_tone tone)
{
    static const char *const names[] = {"", "good", "bad", "warn", "best"};
    return names[tone];
}

/* A sign for those who do not see the colour. */
static const char *
tone_sign(enum mq_html_tone tone)
{
    static const char *const signs[] = {"", "\xe2\x9c\x93 ", "\xe2\x9c\x97 ", "\xe2\x9a\xa0 ", ""};
    return signs[tone];
}

static void
check_row(struct mq_html_page *page)
{
    if (page->column != 0)
        mq_markup_refuse(&page->markup, MQ_E_USAGE,
                         "a row of a report's table ends after %d of %d cells", page->column,
                         page->column_count);
}

static void
end_block(struct mq_html_page *page)
{
    if (page->block == BLOCK_TABLE) {
        check_row(page);
        mq_markup_raw(&page->markup, "</tbody>\n</table></div>\n");
    } else if (page->block == BLOCK_FINDINGS) {
        mq_markup_raw(&page->markup, "</ul>\n");
    }
    page->block = BLOCK_NONE;
}

void
mq_html_begin(struct mq_html_page *page, struct mq_writer *out, const struct mq_html_head *head)
{
    *page = (struct mq_html_page){.markup.out = out};
    struct mq_markup *m = &page->markup;
    const char *language = head->language != NULL ? head->language : "en";
    mq_markup_raw(m, "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"");
    mq_markup_text(m, language);
    mq_markup_raw(m, "\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                     "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'\"/>\n<title>");
    mq_markup_text(m, head->title);
    mq_markup_raw(m, "</title>\n<style>\n");
    mq_markup_raw(m, css);
    mq_markup_raw(m, mq_svg_plot_css);
    mq_markup_raw(m, "</style>\n</head>\n<body>\n<header>\n<h1>");
    mq_markup_text(m, head->title);
    mq_markup_raw(m, "</h1>\n");
    if (head->verdict != NULL) {
        mq_markup_rawf(m, "<strong class=\"verdict %s\">%s", tone_class(head->tone),
                       tone_sign(head->tone));
        mq_markup_text(m, head->verdict);
        mq_markup_raw(m, "</strong>\n");
    }
    mq_markup_raw(m, "<p class=\"summary\">");
    mq_markup_text(m, head->summary);
    mq_markup_raw(m, "</p>\n</header>\n<main>\n");
}

void
mq_html_figures(struct mq_html_page *page, const struct mq_html_figure *figures, int count)
{
    struct mq_markup *m = &page->markup;
    end_block(page);
    mq_markup_raw(m, "<dl class=\"figures\">\n");
    for (int i = 0; i < count; i++) {
        mq_markup_raw(m, "<div><dt>");
        mq_markup_text(m, figures[i].name);
        mq_markup_rawf(m, "</dt><dd class=\"%s\">%s", tone_class(figures[i].tone),
                       tone_sign(figures[i].tone));
        mq_markup_text(m, figures[i].value);
        mq_markup_raw(m, "</dd>");
        if (figures[i].note != NULL) {
            mq_markup_raw(m, "<dd class=\"note\">");
            mq_markup_text(m, figures[i].note);
            mq_markup_raw(m, "</dd>");
        }
        mq_markup_raw(m, "</div>\n");
    }
    mq_markup_raw(m, "</dl>\n");
}

void
mq_html_section(struct mq_html_page *page, const char *heading)
{
    struct mq_markup *m = &page->markup;
    end_block(page);
    int n = ++page->sections;
    mq_markup_raw(m, page->has_section ? "</section>\n" : "");
    mq_markup_rawf(m, "<section aria-labelledby=\"part-%d\">\n<h2 id=\"part-%d\">", n, n);
    mq_markup_text(m, heading);
    mq_markup_raw(m, "</h2>\n");
    page->has_section = true;
}

/* vprintf, escaped. */
static void put_formatted(struct mq_markup *m, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void
put_formatted(struct mq_markup *m, const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) {
        mq_markup_refuse(m, MQ_E_NOMEM, "cannot allocate text");
        return;
    }
    mq_markup_text(m, text);
    free(text);
}

void
mq_html_paragraph(struct mq_html_page *page, const char *format, ...)
{
    va_list args;
    end_block(page);
    mq_markup_raw(&page->markup, "<p>");
    va_start(args, format);
    put_formatted(&page->markup, format, args);
    va_end(args);
    mq_markup_raw(&page->markup, "</p>\n");
}

/* ---- tables ------------------------------------------------------------------------------- */

void
mq_html_table(struct mq_html_page *page, const char *caption, const struct mq_html_column *columns,
              int count)
{
    struct mq_markup *m = &page->markup;
    end_block(page);
    if (count < 1 || count > MQ_HTML_COLUMNS_MAX) {
        mq_markup_refuse(m, MQ_E_RANGE, "table '%s' of a report has %d columns (1 to %d)", caption,
                         count, MQ_HTML_COLUMNS_MAX);
        return;
    }
    mq_markup_raw(m, "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"");
    mq_markup_text(m, caption);
    mq_markup_raw(m, "\"><table>\n<caption>");
    mq_markup_text(m, caption);
    mq_markup_raw(m, "</caption>\n<thead><tr>");
    for (int i = 0; i < count; i++) {
        page->columns[i].is_number = columns[i].is_number;
        mq_markup_raw(m, columns[i].is_number ? "<th scope=\"col\" class=\"n\">"
                                              : "<th scope=\"col\">");
        mq_markup_text(m, columns[i].title);
        mq_markup_raw(m, "</th>");
    }
    mq_markup_raw(m, "</tr></thead>\n<tbody>\n");
    page->block = BLOCK_TABLE;
    page->column_count = count;
    page->column = 0;
}

static void
open_cell(struct mq_html_page *page, enum mq_html_tone tone)
{
    struct mq_markup *m = &page->markup;
    if (page->block != BLOCK_TABLE) {
        mq_markup_refuse(m, MQ_E_USAGE, "a cell of a report stands outside any table");
        return;
    }
    bool number = page->columns[page->column].is_number;
    mq_markup_raw(m, page->column == 0 ? "<tr><th scope=\"row\"" : "<td");
    if (number || tone != MQ_HTML_PLAIN)
        mq_markup_rawf(m, " class=\"%s%s%s\"", number ? "n" : "",
                       number && tone != MQ_HTML_PLAIN ? " " : "", tone_class(tone));
    mq_markup_rawf(m, ">%s", tone_sign(tone));
}

static void
close_cell(struct mq_html_page *page)
{
    struct mq_markup *m = &page->markup;
    if (page->block != BLOCK_TABLE)
        return;
    mq_markup_raw(m, page->column == 0 ? "</th>" : "</td>");
    if (++page->column == page->column_count) {
        mq_markup_raw(m, "</tr>\n");
        page->column = 0;
    }
}

void
mq_html_cell(struct mq_html_page *page, enum mq_html_tone tone, const char *text)
{
    open_cell(page, tone);
    mq_markup_text(&page->markup, text);
    close_cell(page);
}

void
mq_html_cell_format(struct mq_html_page *page, enum mq_html_tone tone, const char *format, ...)
{
    va_list args;
    open_cell(page, tone);
    va_start(args, format);
    put_formatted(&page->markup, format, args);
    va_end(args);
    close_cell(page);
}

void
mq_html_cell_count(struct mq_html_page *page, enum mq_html_tone tone, int64_t count)
{
    open_cell(page, tone);
    mq_markup_count(&page->markup, count);
    close_cell(page);
}

void
mq_html_cell_number(struct mq_html_page *page, enum mq_html_tone tone, double value, int decimals)
{
    mq_html_cell_interval(page, tone, value, (double)NAN, (double)NAN, decimals);
}

void
mq_html_cell_interval(struct mq_html_page *page, enum mq_html_tone tone, double value, double low,
                      double high, int decimals)
{
    struct mq_markup *m = &page->markup;
    open_cell(page, tone);
    mq_markup_fixed(m, value, decimals);
    if (isfinite(low) && isfinite(high)) {
        mq_markup_raw(m, "<small>");
        mq_markup_fixed(m, low, decimals);
        mq_markup_raw(m, " to ");
        mq_markup_fixed(m, high, decimals);
        mq_markup_raw(m, "</small>");
    }
    close_cell(page);
}

/* ---- findings and charts ------------------------------------------------------------------ */

void
mq_html_finding(struct mq_html_page *page, enum mq_html_tone tone, const char *statement,
                const char *detail, const char *const *examples, int example_count)
{
    struct mq_markup *m = &page->markup;
    if (page->block != BLOCK_FINDINGS) {
        end_block(page);
        mq_markup_raw(m, "<ul class=\"findings\">\n");
        page->block = BLOCK_FINDINGS;
    }
    mq_markup_rawf(m, "<li class=\"%s\"><strong>%s", tone_class(tone), tone_sign(tone));
    mq_markup_text(m, statement);
    mq_markup_raw(m, "</strong>");
    if (detail != NULL) {
        mq_markup_raw(m, "<p>");
        mq_markup_text(m, detail);
        mq_markup_raw(m, "</p>");
    }
    if (example_count > 0) {
        mq_markup_raw(m, "<pre>");
        for (int i = 0; i < example_count; i++) {
            mq_markup_raw(m, i > 0 ? "\n" : "");
            mq_markup_text(m, examples[i]);
        }
        mq_markup_raw(m, "</pre>");
    }
    mq_markup_raw(m, "</li>\n");
}

static struct mq_svg_head
open_chart(struct mq_html_page *page, const char *caption, const char *description)
{
    end_block(page);
    mq_markup_raw(&page->markup, "<figure>\n");
    return (struct mq_svg_head){
        .number = ++page->plots, .title = caption, .description = description};
}

static void
close_chart(struct mq_html_page *page, const char *caption)
{
    mq_markup_raw(&page->markup, "<figcaption>");
    mq_markup_text(&page->markup, caption);
    mq_markup_raw(&page->markup, "</figcaption>\n</figure>\n");
}

void
mq_html_bars(struct mq_html_page *page, const char *caption, const char *description,
             const struct mq_svg_bars *bars)
{
    struct mq_svg_head head = open_chart(page, caption, description);
    mq_svg_bars(&page->markup, &head, bars);
    close_chart(page, caption);
}

void
mq_html_lines(struct mq_html_page *page, const char *caption, const char *description,
              const struct mq_svg_lines *lines)
{
    struct mq_svg_head head = open_chart(page, caption, description);
    mq_svg_lines(&page->markup, &head, lines);
    close_chart(page, caption);
}

void
mq_html_histogram(struct mq_html_page *page, const char *caption, const char *description,
                  const struct mq_svg_histogram *histogram)
{
    struct mq_svg_head head = open_chart(page, caption, description);
    mq_svg_histogram(&page->markup, &head, histogram);
    close_chart(page, caption);
}

enum mq_status
mq_html_finish(struct mq_html_page *page, const char *footer, struct mq_error *err)
{
    struct mq_markup *m = &page->markup;
    end_block(page);
    mq_markup_raw(m, page->has_section ? "</section>\n</main>\n" : "</main>\n");
    if (footer != NULL) {
        mq_markup_raw(m, "<footer>");
        mq_markup_text(m, footer);
        mq_markup_raw(m, "</footer>\n");
    }
    mq_markup_raw(m, "</body>\n</html>\n");
    return mq_markup_finish(m, err);
}
