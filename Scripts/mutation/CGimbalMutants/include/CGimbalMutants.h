#pragma once

/// Whether the change of this number is the one that $GIMBAL_MUTANT names. That it was asked for is marked in the file
/// $GIMBAL_MUTANT_MARKS, a byte for each change. For the compiler it is a constant, so that loops can do without it.
int gimbal_mutant(int number) __attribute__((const));

/// A kernel's text in which GIMBAL_MUTANT(n) is replaced by 1 for the change that is made, else by 0. What was built is
/// kept in the folder $GIMBAL_MUTANT_TEXTS below the options it was built with. To be freed.
char *gimbal_mutant_text(const char *text, const char *options);

/// How C and OpenCL C ask.
#define GIMBAL_MUTANT(number) gimbal_mutant(number)
