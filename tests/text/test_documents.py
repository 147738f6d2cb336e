"""A corpus starts afresh each time it is read."""

from tests.text.small_tokenizer import small_corpus


def test_documents_can_be_read_twice_and_side_by_side():
    corpus = small_corpus("one", ("two", "code"))
    first, second = corpus.documents(), corpus.documents()
    assert next(first).text == next(second).text == "one"
    assert [document.source for document in corpus.documents()] == ["prose", "code"]
