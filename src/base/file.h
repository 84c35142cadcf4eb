// Small files read and written whole: keys, certificates, secrets, caches. Not for bodies.
#pragma once

#include "base/result.h"
#include "base/time.h"

#include <cstddef>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace sallyport {

/// The content of `path`; the error names the path and the reason. More than `limit` bytes are an error. It
/// waits for a pipe's end no longer than `patience`.
Result<std::string> read_file(const std::string& path, std::size_t limit, Duration patience = 10s);

/// Whether the path exists.
bool file_exists(const std::string& path);

enum class IfExists { refuse, replace };

/// Writes all of `path` in one step: a reader sees the old content or the new, never a part. `mode` is not
/// reduced by the umask.
Result<> write_file(const std::string& path, std::string_view content, mode_t mode, IfExists if_exists);

/// The error with which write_file() could not replace or make `path` now. A file of another name stands
/// beside it meanwhile.
Result<> check_write_file(const std::string& path);

/// 0, or the errno with which `path` could not be opened for appending now, or made where it is not there.
/// Nothing that exists is opened: the reader of a FIFO would take notice. Otherwise as check_write_file().
int append_error(const std::string& path);

/// 0, or the errno with which no file can be made now beside `path`. Likewise.
int creation_error(const std::string& path);

}  // namespace sallyport
