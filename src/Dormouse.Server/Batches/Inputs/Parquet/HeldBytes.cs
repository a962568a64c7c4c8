using System.Globalization;

namespace Dormouse.Server.Batches.Inputs.Parquet;

/// <summary>What the pages and dictionaries of one file take in memory at a time, and may.</summary>
internal sealed class HeldBytes(long max)
{
    private long _held;

    public void Take(long bytes, string column)
    {
        if (bytes > max - _held)
        {
            throw new ParquetFaultException(string.Create(
                CultureInfo.InvariantCulture,
                $"a page and a dictionary of each column take more than the {max >> 20} MiB that may be held (batches.parquet_memory), at column '{column}': write it with smaller pages and dictionaries (data_page_size and dictionary_pagesize_limit of pyarrow), or with fewer rows in a row group"));
        }

        _held += bytes;
    }

    public void Free(long bytes) => _held -= bytes;
}
