#include "base/warn_of_readers.h"

#include "base/log.h"

#include <sys/stat.h>

namespace sallyport {

void warn_of_readers(std::string_view flag, const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0)
    log_warn("{}: every user of this machine can read {}; chmod o-r {} keeps them out", flag, path, path);
}

}  // namespace sallyport
