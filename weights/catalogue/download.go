package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// download fetches one file into part, and continues from what part already holds.
type download struct {
	url, part string
	limit     int64 // bytes that the file may have
	o         Options
	broken    bool // whether the last error may go away by itself
}

func (d *download) run(ctx context.Context) error {
	d.broken = false
	f, err := os.OpenFile(d.part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if have > d.limit {
		have = 0
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.o.Stall, func() { cancel(fmt.Errorf("no byte for %v", d.o.Stall)) })
	defer watch.Stop()

	response, total, err := d.get(ctx, &have)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("%s: %w", d.url, cause)
		}
		return err
	}
	if response == nil { // nothing is missing
		return nil
	}
	defer response.Body.Close()
	if total > d.limit {
		return fmt.Errorf("%s has %d bytes, want at most %d", d.url, total, d.limit)
	}
	if err := f.Truncate(have); err != nil {
		return err
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	d.o.Progress(have, total)
	buffer := make([]byte, 1<<16)
	for {
		n, err := response.Body.Read(buffer)
		watch.Reset(d.o.Stall)
		if have == 0 && n > 0 && bytes.HasPrefix(bytes.TrimSpace(buffer[:n]), []byte("<")) {
			return fmt.Errorf("%s gave an HTML page, want a checkpoint", d.url)
		}
		if have+int64(n) > d.limit {
			return fmt.Errorf("%s gives more than %d bytes", d.url, d.limit)
		}
		if _, err := f.Write(buffer[:n]); err != nil {
			return err
		}
		have += int64(n)
		if n > 0 {
			d.o.Progress(have, total)
		}
		switch {
		case err == io.EOF && (total < 0 || have == total):
			return f.Sync()
		case err != nil:
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			d.broken = true
			return fmt.Errorf("%s broke off after %d of %d bytes: %w", d.url, have, total, err)
		}
	}
}

// get asks for what is missing behind *have bytes; it sets *have to 0 when the server begins from the start. total is
// the length of the whole file, −1 when the server does not say. The response is nil when nothing is missing.
func (d *download) get(ctx context.Context, have *int64) (response *http.Response, total int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return nil, 0, err
	}
	if *have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", *have))
	}
	answer, err := d.o.Client.Do(request)
	if err != nil {
		d.broken = true
		return nil, 0, err
	}
	defer func() {
		if response == nil {
			answer.Body.Close()
		}
	}()
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode < 300 && strings.HasPrefix(kind, "text/html") {
		return nil, 0, fmt.Errorf("%s gave an HTML page, want a checkpoint", d.url)
	}
	switch answer.StatusCode {
	case http.StatusOK:
		*have = 0
		return answer, answer.ContentLength, nil
	case http.StatusPartialContent:
		var first, last int64
		if n, _ := fmt.Sscanf(answer.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total); n < 2 || first != *have {
			return nil, 0, fmt.Errorf("%s gave range %q, want from byte %d", d.url, answer.Header.Get("Content-Range"), *have)
		}
		if total == 0 { // "*": the server does not know
			total = -1
		}
		return answer, total, nil
	case http.StatusRequestedRangeNotSatisfiable:
		if _, err := fmt.Sscanf(answer.Header.Get("Content-Range"), "bytes */%d", &total); err == nil && total == *have {
			return nil, total, nil
		}
		// The part is of another file: start again.
		if err := os.Truncate(d.part, 0); err != nil {
			return nil, 0, err
		}
		d.broken = true
		return nil, 0, errors.New(d.url + ": the part here is longer than the file there")
	}
	d.broken = answer.StatusCode >= 500
	return nil, 0, fmt.Errorf("%s answered %s", d.url, answer.Status)
}
