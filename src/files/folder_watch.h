// FolderWatch: looks every second, and when told to, whether --files still leads to the folder that is
// served: it may have been deleted and made again, or be a symbolic link to the latest release that now leads
// to another. Owned by Gateway, on whose loop it runs; what may wait for a disk is done by a FileReader.
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
    std::uint64_t used = 0, failed = 0;  ///< led to another folder; began to lead to none that can be read
  };

  /// `path` as ServedFolder::open() took it for `folder`; a relative one is meant from where the process is
  /// now. `opened` gets each new folder. `timers` must outlive the watch.
  FolderWatch(std::unique_ptr<net::FileReader> reader, net::Timers& timers, std::string path,
              std::shared_ptr<const ServedFolder> folder,
              std::function<void(const std::shared_ptr<const ServedFolder>&)> opened);

  /// Hands the folder out again soon, also where it is the one that was served before.
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
  bool asked_ = false;    // by open_again(), since the last look began
  bool failing_ = false;  // the last look found no folder
  Counters counters_;
};

}  // namespace sallyport::files
