/* What a header is compiled with that has to compile alone. */
extern int nothing;
