/**
 * Charts as SVG inside a page: grouped bars with intervals, lines over days or numbers, histograms.
 *
 * A chart is one <svg> element that scales with the page, has a <title> and a <desc> for readers
 * who do not see it, and a <title> on every mark with its figures (browsers show it under the
 * pointer). Colours and fonts are those of mq_svg_plot_css, which the page holds once; they follow
 * its custom properties --ink, --muted, --line and --paper. Series differ by dashes too, not by
 * colour alone.
 *
 * Values lie within ±1e15; NaN is no mark. All texts are escaped, and cut with "…" where they are
 * too long (the mark's <title> has them whole). What is out of range is refused through the markup
 * with MQ_E_RANGE. The same input gives the same bytes. Threads: as struct mq_markup.
 */
#ifndef MQ_FORMAT_SVG_PLOT_H
#define MQ_FORMAT_SVG_PLOT_H

#include <stdbool.h>

#include "format/markup_text.h"

#define MQ_SVG_SERIES_MAX 8
#define MQ_SVG_GROUPS_MAX 64
#define MQ_SVG_POINTS_MAX 4096
#define MQ_SVG_BINS_MAX 256
#define MQ_SVG_LIMITS_MAX 4

/** Rules of the charts' classes; the eight colours in light and, under a media query, dark. */
extern const char mq_svg_plot_css[];

/** What every chart says of itself. */
struct mq_svg_head {
    int number;              /**< distinct in the page */
    const char *title;       /**< what is shown */
    const char *description; /**< what there is to see; NULL: as the title */
};

/** Horizontal bars, one a series in each group, from zero. All borrowed. */
struct mq_svg_bars {
    int group_count;           /**< 1 … MQ_SVG_GROUPS_MAX */
    int series_count;          /**< 1 … MQ_SVG_SERIES_MAX */
    const char *const *groups; /**< [group_count] names */
    const char *const *series; /**< [series_count] names; may be NULL for one series */
    const double *value;       /**< [group_count, series_count] */
    const double *low, *high;  /**< as value: ends of intervals; NULL: none */
    const char *name;          /**< of the axis; NULL: none */
    int decimals;              /**< of values as text */
};

void mq_svg_bars(struct mq_markup *markup, const struct mq_svg_head *head,
                 const struct mq_svg_bars *bars);

/** A level drawn across a chart of lines. */
struct mq_svg_limit {
    const char *name;
    double value;
};

/** Lines over named points (days), or over numbers. All borrowed. */
struct mq_svg_lines {
    int point_count;           /**< 1 … MQ_SVG_POINTS_MAX */
    int series_count;          /**< 1 … MQ_SVG_SERIES_MAX */
    const char *const *points; /**< [point_count] names, evenly spaced; or NULL and: */
    const double *x;           /**< [point_count] ascending */
    const char *const *series; /**< [series_count] names; may be NULL for one series */
    const double *value;       /**< [series_count, point_count]; NaN: a gap */
    const double *low, *high;  /**< as value: a band; NULL: none */
    const struct mq_svg_limit *limits;
    int limit_count;    /**< 0 … MQ_SVG_LIMITS_MAX */
    const char *x_name; /**< NULL: none */
    const char *y_name; /**< NULL: none */
    bool from_zero;     /**< the vertical axis holds zero */
    bool diagonal;      /**< draw y = x (x are numbers) */
    int decimals;       /**< of values as text */
};

void mq_svg_lines(struct mq_markup *markup, const struct mq_svg_head *head,
                  const struct mq_svg_lines *lines);

/** Shares or counts by class or by range of numbers, series side by side. All borrowed. */
struct mq_svg_histogram {
    int bin_count;             /**< 1 … MQ_SVG_BINS_MAX */
    int series_count;          /**< 1 … MQ_SVG_SERIES_MAX */
    const char *const *bins;   /**< [bin_count] names; or NULL and: */
    const double *edges;       /**< [bin_count+1] ascending */
    const char *const *series; /**< [series_count] names; may be NULL for one series */
    const double *value;       /**< [series_count, bin_count], at least 0 */
    const char *x_name;        /**< NULL: none */
    const char *y_name;        /**< NULL: none */
    int decimals;              /**< of values as text */
};

void mq_svg_histogram(struct mq_markup *markup, const struct mq_svg_head *head,
                      const struct mq_svg_histogram *histogram);

#endif
