// FolderWatch: checks every second, and on request, whether --files still leads to the served folder: it may
// have been deleted and made again, or be a symbolic link that was switched to another release. Owned by
// Gateway, on whose loop it runs; a FileReader does the work that may wait for a disk.
#pragma once

#include "files/served_folder.h"
#include "net/file_reader.h"
#include "net/timers.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sallyport::files {

class FolderWatch {
 public:
  struct Counters {
    std::uint64_t used = 0, failed = 0;  ///< led to another folder; began to lead to no readable folder
  };

  /// `path` as given to ServedFolder::open() for `folder`; a relative one is resolved against the current
  /// working directory. `opened` gets each new folder. `timers` must outlive the watch.
  FolderWatch(std::unique_ptr<net::FileReader> reader, net::Timers& timers, const std::string& path,
              std::shared_ptr<const ServedFolder> folder,
              std::function<void(const std::shared_ptr<const ServedFolder>&)> opened);

  /// Opens the folder again soon and passes it to `opened`, even if it is the same one.
  void open_again();
  const Counters& counters() const { return counters_; }

 private:
  struct Look;

  void look();
  void on_looked(Look& look);

  const std::unique_ptr<net::FileReader> reader_;
  net::Timers& timers_;
  const std::string path_;
  std::shared_ptr<const ServedFolder> folder_;
  const std::function<void(const std::shared_ptr<const ServedFolder>&)> opened_;
  net::Timer next_;
  std::unique_ptr<net::Reading> looking_;
  bool asked_ = false;    // open_again() was called since the last check began
  bool failing_ = false;  // the last check found no folder
  Counters counters_;
};

}  // namespace sallyport::files
