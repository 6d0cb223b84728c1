#include "format/svg_plot.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "format/number_text.h"
#include "format/svg_frame.h"

/* Thickness of a bar, and space between groups. */
#define BAR 15.0
#define BAR_GAP 2.0
#define GROUP_GAP 14.0
/* Room for a value's text right of its bar. */
#define VALUE_ROOM 64.0
/* Height between the axes of charts of lines and histograms. */
#define BODY 220.0
/* Above so many points a line goes without a dot at each. */
#define DOTS_MAX 92

const char mq_svg_plot_css[] =
    ".plot{--s0:#1f6fc4;--s1:#d97706;--s2:#0b8a63;--s3:#b83280;--s4:#7250c9;--s5:#8a6d00;"
    "--s6:#3f98c2;--s7:#6b7280;display:block;width:100%;height:auto}\n"
    "@media screen and (prefers-color-scheme:dark){.plot{--s0:#62aef5;--s1:#f4a744;--s2:#43c596;"
    "--s3:#ec83b8;--s4:#b096f2;--s5:#d6b942;--s6:#8fd2f0;--s7:#a1aab8}}\n"
    ".plot .s0{--c:var(--s0)}.plot .s1{--c:var(--s1);--d:7 3}.plot .s2{--c:var(--s2);--d:2 3}"
    ".plot .s3{--c:var(--s3);--d:9 3 2 3}.plot .s4{--c:var(--s4);--d:5 2}"
    ".plot .s5{--c:var(--s5);--d:1 2}.plot .s6{--c:var(--s6);--d:12 4}"
    ".plot .s7{--c:var(--s7);--d:4 4}\n"
    ".plot text{font:12px system-ui,sans-serif;fill:var(--muted);"
    "font-variant-numeric:tabular-nums}\n"
    ".plot .grid{stroke:var(--line)}.plot .axis,.plot .limit{stroke:var(--muted)}"
    ".plot .limit{stroke-dasharray:2 3}\n"
    ".plot .bar,.plot .swatch,.plot .dot{fill:var(--c)}.plot .band{fill:var(--c);opacity:.18}"
    ".plot .path{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;"
    "stroke-dasharray:var(--d)}\n"
    ".plot .interval{stroke:var(--ink);stroke-width:1.4;opacity:.75}"
    ".plot .figure{fill:var(--ink)}\n"
    "@media print{.plot{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

/* ---- what is refused ---------------------------------------------------------------------- */

static bool
counts_fit(struct mq_markup *markup, const struct mq_svg_head *head, const char *what, int count,
           int most, const char *const *series, int series_count)
{
    if (count >= 1 && count <= most && series_count >= 1 && series_count <= MQ_SVG_SERIES_MAX) {
        if (series != NULL || series_count == 1)
            return true;
        mq_markup_refuse(markup, MQ_E_RANGE, "cannot draw '%s': %d series without names",
                         head->title, series_count);
        return false;
    }
    mq_markup_refuse(markup, MQ_E_RANGE,
                     "cannot draw '%s': %d %s (1 to %d) and %d series (1 to %d)", head->title,
                     count, what, most, series_count, MQ_SVG_SERIES_MAX);
    return false;
}

/* Least and most of what is finite, joined to *low … *high; refuses what is too large. */
static bool
extend(struct mq_markup *markup, const struct mq_svg_head *head, const double *values, int count,
       double *low, double *high)
{
    for (int i = 0; values != NULL && i < count; i++) {
        if (isnan(values[i]))
            continue;
        if (fabs(values[i]) > MQ_SVG_VALUE_MAX) {
            mq_markup_refuse(markup, MQ_E_RANGE, "cannot draw '%s': a value of %g (within ±%g)",
                             head->title, values[i], MQ_SVG_VALUE_MAX);
            return false;
        }
        *low = MQ_MIN(*low, values[i]);
        *high = MQ_MAX(*high, values[i]);
    }
    return true;
}

static bool
ascend(struct mq_markup *markup, const struct mq_svg_head *head, const double *x, int count)
{
    for (int i = 0; i < count; i++)
        if (!(fabs(x[i]) <= MQ_SVG_VALUE_MAX) || (i > 0 && x[i] <= x[i - 1])) {
            mq_markup_refuse(markup, MQ_E_RANGE, "cannot draw '%s': x %d does not ascend",
                             head->title, i);
            return false;
        }
    return true;
}

static double
entry(const double *values, int index)
{
    return values != NULL ? values[index] : (double)NAN;
}

static const char *
series_name(const char *const *series, int s)
{
    return series != NULL ? series[s] : NULL;
}

static void
open_mark(struct mq_markup *markup, const char *element, const char *class, int series)
{
    mq_markup_rawf(markup, "<%s class=\"%s s%d\"", element, class, series);
}

/* ---- bars --------------------------------------------------------------------------------- */

static void
draw_interval(struct mq_markup *markup, const struct mq_svg_axis *axis, double low, double high,
              double y)
{
    double from = mq_svg_place(axis, low), to = mq_svg_place(axis, high);
    mq_svg_rule(markup, "interval", from, y, to, y);
    mq_svg_rule(markup, "interval", from, y - 4, from, y + 4);
    mq_svg_rule(markup, "interval", to, y - 4, to, y + 4);
}

static void
draw_bar(struct mq_markup *markup, const struct mq_svg_axis *axis, const struct mq_svg_bars *bars,
         int group, int series, double y)
{
    int i = group * bars->series_count + series;
    double value = bars->value[i], low = entry(bars->low, i), high = entry(bars->high, i);
    bool interval = isfinite(low) && isfinite(high);
    double most = interval ? MQ_MAX(0, MQ_MAX(value, high)) : MQ_MAX(0, value);
    if (isfinite(value)) {
        double zero = mq_svg_place(axis, 0), end = mq_svg_place(axis, value);
        open_mark(markup, "rect", "bar", series);
        mq_svg_attribute(markup, "x", MQ_MIN(zero, end));
        mq_svg_attribute(markup, "y", y);
        mq_svg_attribute(markup, "width", fabs(end - zero));
        mq_svg_attribute(markup, "height", BAR);
        mq_markup_raw(markup, ">");
        mq_svg_mark_title(markup, series_name(bars->series, series), bars->groups[group], value,
                          low, high, bars->decimals);
        mq_markup_raw(markup, "</rect>\n");
        if (interval)
            draw_interval(markup, axis, low, high, y + BAR / 2);
    } else {
        most = 0;
    }
    mq_markup_raw(markup, "<text class=\"figure\"");
    mq_svg_attribute(markup, "x", mq_svg_place(axis, most) + 6);
    mq_svg_attribute(markup, "y", y + BAR - 3);
    mq_markup_raw(markup, ">");
    mq_markup_fixed(markup, value, bars->decimals);
    mq_markup_raw(markup, "</text>\n");
}

void
mq_svg_bars(struct mq_markup *markup, const struct mq_svg_head *head,
            const struct mq_svg_bars *bars)
{
    double low = 0, high = 0, widest = 40;
    int count = bars->group_count * bars->series_count;
    if (!counts_fit(markup, head, "groups", bars->group_count, MQ_SVG_GROUPS_MAX, bars->series,
                    bars->series_count) ||
        !extend(markup, head, bars->value, count, &low, &high) ||
        !extend(markup, head, bars->low, count, &low, &high) ||
        !extend(markup, head, bars->high, count, &low, &high))
        return;
    for (int g = 0; g < bars->group_count; g++)
        widest = MQ_MAX(widest, mq_svg_text_width(bars->groups[g]));
    struct mq_svg_frame frame = {.x_name = bars->name};
    frame.left = MQ_MIN(widest, 210) + 12;
    frame.right = MQ_SVG_WIDTH - VALUE_ROOM;
    frame.top = mq_svg_legend_height(bars->series, bars->series_count, frame.left) + 2;
    double thick = bars->series_count * (BAR + BAR_GAP) - BAR_GAP;
    frame.bottom = frame.top + bars->group_count * (thick + GROUP_GAP);
    mq_svg_axis_round(&frame.x, low, high, frame.left, frame.right, 6);
    mq_svg_open(markup, head, frame.bottom + (bars->name != NULL ? 46 : 24));
    mq_svg_legend(markup, bars->series, bars->series_count, frame.left);
    mq_svg_frame_lower(markup, &frame);
    for (int g = 0; g < bars->group_count; g++) {
        double y = frame.top + GROUP_GAP / 2 + g * (thick + GROUP_GAP);
        mq_svg_text(markup, frame.left - 8, y + thick / 2 + 4, "end", bars->groups[g],
                    frame.left - 12);
        for (int s = 0; s < bars->series_count; s++)
            draw_bar(markup, &frame.x, bars, g, s, y + s * (BAR + BAR_GAP));
    }
    double zero = mq_svg_place(&frame.x, 0);
    mq_svg_rule(markup, "axis", zero, frame.top, zero, frame.bottom);
    mq_svg_close(markup);
}

/* ---- lines -------------------------------------------------------------------------------- */

static double
point_x(const struct mq_svg_frame *frame, const struct mq_svg_lines *lines, int i)
{
    if (lines->points == NULL)
        return mq_svg_place(&frame->x, lines->x[i]);
    double spacing = (frame->right - frame->left) / lines->point_count;
    return frame->left + spacing * (i + 0.5);
}

static void
put_pair(struct mq_markup *markup, double x, double y)
{
    mq_markup_fixed(markup, x, 1);
    mq_markup_raw(markup, " ");
    mq_markup_fixed(markup, y, 1);
}

/* First point from `from` on where both are finite, and the first after it where not; points where
 * there is none. */
static int
run_of(const double *a, const double *b, int from, int points, int *ret_end)
{
    while (from < points && !(isfinite(a[from]) && isfinite(b[from])))
        from++;
    *ret_end = from;
    while (*ret_end < points && isfinite(a[*ret_end]) && isfinite(b[*ret_end]))
        ++*ret_end;
    return from;
}

static void
draw_band(struct mq_markup *markup, const struct mq_svg_frame *frame,
          const struct mq_svg_lines *lines, int series)
{
    int n = lines->point_count, end;
    const double *low = lines->low + series * n, *high = lines->high + series * n;
    for (int i = run_of(low, high, 0, n, &end); i < n; i = run_of(low, high, end, n, &end)) {
        open_mark(markup, "path", "band", series);
        for (int k = i; k < end; k++) {
            mq_markup_raw(markup, k == i ? " d=\"M" : " L");
            put_pair(markup, point_x(frame, lines, k), mq_svg_place(&frame->y, high[k]));
        }
        for (int k = end - 1; k >= i; k--) {
            mq_markup_raw(markup, " L");
            put_pair(markup, point_x(frame, lines, k), mq_svg_place(&frame->y, low[k]));
        }
        mq_markup_raw(markup, "Z\"/>\n");
    }
}

static void
draw_dot(struct mq_markup *markup, const struct mq_svg_frame *frame,
         const struct mq_svg_lines *lines, int series, int i)
{
    int at = series * lines->point_count + i;
    char number[MQ_REAL_TEXT_SIZE];
    const char *where = number;
    if (lines->points != NULL)
        where = lines->points[i];
    else
        mq_fixed_text(lines->x[i], lines->decimals, number);
    open_mark(markup, "circle", "dot", series);
    mq_svg_attribute(markup, "cx", point_x(frame, lines, i));
    mq_svg_attribute(markup, "cy", mq_svg_place(&frame->y, lines->value[at]));
    mq_markup_raw(markup, " r=\"3\">");
    mq_svg_mark_title(markup, series_name(lines->series, series), where, lines->value[at],
                      entry(lines->low, at), entry(lines->high, at), lines->decimals);
    mq_markup_raw(markup, "</circle>\n");
}

static void
draw_line(struct mq_markup *markup, const struct mq_svg_frame *frame,
          const struct mq_svg_lines *lines, int series)
{
    int n = lines->point_count, end;
    const double *value = lines->value + series * n;
    for (int i = run_of(value, value, 0, n, &end); i < n; i = run_of(value, value, end, n, &end)) {
        if (end - i > 1) {
            open_mark(markup, "path", "path", series);
            for (int k = i; k < end; k++) {
                mq_markup_raw(markup, k == i ? " d=\"M" : " L");
                put_pair(markup, point_x(frame, lines, k), mq_svg_place(&frame->y, value[k]));
            }
            mq_markup_raw(markup, "\"/>\n");
        }
        for (int k = i; k < end; k++)
            if (n <= DOTS_MAX || end - i == 1) /* a lone point has no line */
                draw_dot(markup, frame, lines, series, k);
    }
}

/* The part of y = x that lies in the frame. */
static void
draw_diagonal(struct mq_markup *markup, const struct mq_svg_frame *frame)
{
    double low = MQ_MAX(frame->x.low, frame->y.low), high = MQ_MIN(frame->x.high, frame->y.high);
    if (low < high)
        mq_svg_rule(markup, "limit", mq_svg_place(&frame->x, low), mq_svg_place(&frame->y, low),
                    mq_svg_place(&frame->x, high), mq_svg_place(&frame->y, high));
}

static void
draw_limits(struct mq_markup *markup, const struct mq_svg_frame *frame,
            const struct mq_svg_lines *lines)
{
    for (int i = 0; i < lines->limit_count; i++) {
        double y = mq_svg_place(&frame->y, lines->limits[i].value);
        mq_svg_rule(markup, "limit", frame->left, y, frame->right, y);
        mq_svg_text(markup, frame->right, y - 5, "end", lines->limits[i].name, 240);
    }
}

static bool
lines_fit(struct mq_markup *markup, const struct mq_svg_head *head,
          const struct mq_svg_lines *lines, double *low, double *high)
{
    int count = lines->point_count * lines->series_count;
    if (!counts_fit(markup, head, "points", lines->point_count, MQ_SVG_POINTS_MAX, lines->series,
                    lines->series_count))
        return false;
    if (lines->limit_count < 0 || lines->limit_count > MQ_SVG_LIMITS_MAX) {
        mq_markup_refuse(markup, MQ_E_RANGE, "cannot draw '%s': %d limits (0 to %d)", head->title,
                         lines->limit_count, MQ_SVG_LIMITS_MAX);
        return false;
    }
    if (lines->points == NULL && !ascend(markup, head, lines->x, lines->point_count))
        return false;
    for (int i = 0; i < lines->limit_count; i++)
        if (!extend(markup, head, &lines->limits[i].value, 1, low, high))
            return false;
    return extend(markup, head, lines->value, count, low, high) &&
           extend(markup, head, lines->low, count, low, high) &&
           extend(markup, head, lines->high, count, low, high);
}

void
mq_svg_lines(struct mq_markup *markup, const struct mq_svg_head *head,
             const struct mq_svg_lines *lines)
{
    double low = lines->from_zero ? 0 : INFINITY, high = lines->from_zero ? 0 : -INFINITY;
    if (!lines_fit(markup, head, lines, &low, &high))
        return;
    if (low > high)
        low = high = 0;
    struct mq_svg_frame frame = {.left = 62, .x_name = lines->x_name, .y_name = lines->y_name};
    frame.right = MQ_SVG_WIDTH - 16;
    frame.top = mq_svg_legend_height(lines->series, lines->series_count, frame.left) +
                (lines->y_name != NULL ? 28 : 10);
    frame.bottom = frame.top + BODY;
    mq_svg_axis_round(&frame.y, low, high, frame.bottom, frame.top, 5);
    mq_svg_open(markup, head, frame.bottom + (lines->x_name != NULL ? 46 : 26));
    mq_svg_legend(markup, lines->series, lines->series_count, frame.left);
    mq_svg_frame_left(markup, &frame);
    if (lines->points != NULL) {
        double spacing = (frame.right - frame.left) / lines->point_count;
        mq_svg_lower_names(markup, &frame, lines->points, lines->point_count,
                           frame.left + spacing / 2, spacing);
    } else {
        mq_svg_axis_round(&frame.x, lines->x[0], lines->x[lines->point_count - 1], frame.left,
                          frame.right, 8);
        mq_svg_frame_lower(markup, &frame);
    }
    if (lines->diagonal && lines->points == NULL)
        draw_diagonal(markup, &frame);
    for (int s = 0; s < lines->series_count && lines->low != NULL && lines->high != NULL; s++)
        draw_band(markup, &frame, lines, s);
    for (int s = 0; s < lines->series_count; s++)
        draw_line(markup, &frame, lines, s);
    draw_limits(markup, &frame, lines);
    mq_svg_close(markup);
}

/* ---- histograms --------------------------------------------------------------------------- */

static void
draw_bin(struct mq_markup *markup, const struct mq_svg_frame *frame,
         const struct mq_svg_histogram *h, int bin, double left, double right)
{
    char range[2 * MQ_REAL_TEXT_SIZE + 8], from[MQ_REAL_TEXT_SIZE], to[MQ_REAL_TEXT_SIZE];
    const char *where = range;
    if (h->bins != NULL) {
        where = h->bins[bin];
    } else {
        mq_fixed_text(h->edges[bin], frame->x.decimals + 1, from);
        mq_fixed_text(h->edges[bin + 1], frame->x.decimals + 1, to);
        snprintf(range, sizeof(range), "%s to %s", from, to);
    }
    double gap = MQ_MIN((right - left) * (h->bins != NULL ? 0.2 : 0.05), 24.0);
    double width = (right - left - gap) / h->series_count;
    for (int s = 0; s < h->series_count; s++) {
        double value = h->value[s * h->bin_count + bin];
        if (!isfinite(value))
            continue;
        double y = mq_svg_place(&frame->y, value);
        open_mark(markup, "rect", "bar", s);
        mq_svg_attribute(markup, "x", left + gap / 2 + s * width);
        mq_svg_attribute(markup, "y", y);
        mq_svg_attribute(markup, "width", width);
        mq_svg_attribute(markup, "height", frame->bottom - y);
        mq_markup_raw(markup, ">");
        mq_svg_mark_title(markup, series_name(h->series, s), where, value, (double)NAN, (double)NAN,
                          h->decimals);
        mq_markup_raw(markup, "</rect>\n");
    }
}

void
mq_svg_histogram(struct mq_markup *markup, const struct mq_svg_head *head,
                 const struct mq_svg_histogram *h)
{
    double low = 0, high = 0;
    if (!counts_fit(markup, head, "bins", h->bin_count, MQ_SVG_BINS_MAX, h->series,
                    h->series_count) ||
        !extend(markup, head, h->value, h->bin_count * h->series_count, &low, &high) ||
        (h->bins == NULL && !ascend(markup, head, h->edges, h->bin_count + 1)))
        return;
    if (low < 0) {
        mq_markup_refuse(markup, MQ_E_RANGE, "cannot draw '%s': a negative share of %g",
                         head->title, low);
        return;
    }
    struct mq_svg_frame frame = {.left = 62, .x_name = h->x_name, .y_name = h->y_name};
    frame.right = MQ_SVG_WIDTH - 16;
    frame.top = mq_svg_legend_height(h->series, h->series_count, frame.left) +
                (h->y_name != NULL ? 28 : 10);
    frame.bottom = frame.top + BODY;
    mq_svg_axis_round(&frame.y, low, high, frame.bottom, frame.top, 5);
    mq_svg_open(markup, head, frame.bottom + (h->x_name != NULL ? 46 : 26));
    mq_svg_legend(markup, h->series, h->series_count, frame.left);
    mq_svg_frame_left(markup, &frame);
    double spacing = (frame.right - frame.left) / h->bin_count;
    if (h->bins != NULL) {
        mq_svg_lower_names(markup, &frame, h->bins, h->bin_count, frame.left + spacing / 2,
                           spacing);
    } else {
        mq_svg_axis_round(&frame.x, h->edges[0], h->edges[h->bin_count], frame.left, frame.right,
                          8);
        mq_svg_frame_lower(markup, &frame);
    }
    for (int b = 0; b < h->bin_count; b++) {
        if (h->bins != NULL)
            draw_bin(markup, &frame, h, b, frame.left + b * spacing,
                     frame.left + (b + 1) * spacing);
        else
            draw_bin(markup, &frame, h, b, mq_svg_place(&frame.x, h->edges[b]),
                     mq_svg_place(&frame.x, h->edges[b + 1]));
    }
    mq_svg_close(markup);
}
