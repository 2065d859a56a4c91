using System.Buffers;

namespace Gatehouse.Authentication;

/// <summary>The first two words of a header and how many there are (three for more), split at ASCII white space as Python's bytes are.</summary>
internal readonly ref struct HeaderWords
{
    private const string Blanks = " \t\r\n\v\f";
    private static readonly SearchValues<char> AnyBlank = SearchValues.Create(Blanks);

    public HeaderWords(ReadOnlySpan<char> header)
    {
        var rest = header.Trim(Blanks);
        while (!rest.IsEmpty && Count < 3)
        {
            var end = rest.IndexOfAny(AnyBlank);
            var word = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[end..].TrimStart(Blanks);
            if (Count == 0) First = word;
            else if (Count == 1) Second = word;
            Count++;
        }
    }

    public ReadOnlySpan<char> First { get; }
    public ReadOnlySpan<char> Second { get; }
    public int Count { get; }
}
