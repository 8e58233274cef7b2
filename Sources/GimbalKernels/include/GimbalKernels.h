#pragma once

/// One file of the folder `Kernels`, embedded when the package is built.
struct GimbalKernelSource {
    /// The file's name with its extension.
    const char *_Nonnull name;
    /// Its text, ending in NUL.
    const char *_Nonnull text;
};

/// The table of all embedded files.
extern const struct GimbalKernelSource *_Nonnull const gimbalKernelSources;
/// How many there are.
extern const int gimbalKernelSourceCount;
