module sallyport/interop/tundevice

go 1.23
