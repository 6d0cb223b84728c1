/*
 * What the charts of svg_plot.h share: axes with round numbers, texts that fit, the frame around
 * the marks. Lengths are in units of the picture, which is MQ_SVG_WIDTH wide.
 */
#ifndef MQ_FORMAT_SVG_FRAME_H
#define MQ_FORMAT_SVG_FRAME_H

#include "format/svg_plot.h"

#define MQ_SVG_WIDTH 720.0
/* Values of a chart. */
#define MQ_SVG_VALUE_MAX 1e15

/* A range of values on a stretch of the picture, with round ends and steps. */
struct mq_svg_axis {
    double low, high;  /* ends, multiples of step where rounded */
    double from, to;   /* their places */
    double step;       /* between ticks */
    double unit;       /* what tick texts are divided by: 1, 1e3, 1e6, 1e9 */
    const char *power; /* and followed by */
    int decimals;      /* of tick texts */
};

/* A rectangle of the picture, with an axis on its lower and left side; names may be NULL. */
struct mq_svg_frame {
    double left, right, top, bottom;
    struct mq_svg_axis x, y;
    const char *x_name, *y_name;
};

/* An axis that holds low … high. @param ticks about so many steps */
void mq_svg_axis_round(struct mq_svg_axis *axis, double low, double high, double from, double to,
                       int ticks);

double mq_svg_place(const struct mq_svg_axis *axis, double value);

/* Number of ticks and the value of each, from 0. */
int mq_svg_tick_count(const struct mq_svg_axis *axis);
double mq_svg_tick(const struct mq_svg_axis *axis, int number);

/* The tick's text, as content. */
void mq_svg_tick_text(struct mq_markup *markup, const struct mq_svg_axis *axis, double value);

/* Estimated width of a text in the charts' font. */
double mq_svg_text_width(const char *text);

/* A number as an attribute: ` name="12.5"`. */
void mq_svg_attribute(struct mq_markup *markup, const char *name, double value);

/* A text element. @param anchor "start", "middle" or "end"  @param width cut to fit; 0: whole */
void mq_svg_text(struct mq_markup *markup, double x, double y, const char *anchor, const char *text,
                 double width);

/* A straight line of a class. */
void mq_svg_rule(struct mq_markup *markup, const char *class, double x1, double y1, double x2,
                 double y2);

/* <svg …> with its title and description, and its end. */
void mq_svg_open(struct mq_markup *markup, const struct mq_svg_head *head, double height);
void mq_svg_close(struct mq_markup *markup);

/* Names of the series, from the top of the picture on. @return height taken; 0 for one series */
double mq_svg_legend_height(const char *const *series, int count, double left);
void mq_svg_legend(struct mq_markup *markup, const char *const *series, int count, double left);

/* Lines and texts of the left axis (with its name above it) and of the lower one. */
void mq_svg_frame_left(struct mq_markup *markup, const struct mq_svg_frame *frame);
void mq_svg_frame_lower(struct mq_markup *markup, const struct mq_svg_frame *frame);

/* Texts under evenly spaced points or bins, as many as have room. @param first,spacing places */
void mq_svg_lower_names(struct mq_markup *markup, const struct mq_svg_frame *frame,
                        const char *const *names, int count, double first, double spacing);

/* "<series>, <where>: <value> (<low> to <high>)" as a <title>; series and the interval may be
 * absent (NULL, NaN). */
void mq_svg_mark_title(struct mq_markup *markup, const char *series, const char *where,
                       double value, double low, double high, int decimals);

#endif
