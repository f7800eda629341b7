module varflow.dev/testcluster/pause

go 1.26
