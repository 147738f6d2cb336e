"""Forty plain sentences in six languages, written for hooke: what tells a feature of what is said from one of a tongue.

No sentence has a name or a number in it, which would be written alike in all languages.
"""

from collections.abc import Iterator
from dataclasses import dataclass

LANGUAGES = ("en", "fr", "de", "es", "it", "pt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Translated:
    """One sentence in one language."""

    text: str
    sentence: int
    """Which of the sentences it is; translations share it."""
    language: str
    """ISO 639-1 code."""


_SENTENCES: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("The dog is sleeping under the table.", "Le chien dort sous la table.", "Der Hund schläft unter dem Tisch.",
     "El perro duerme debajo de la mesa.", "Il cane dorme sotto il tavolo.", "O cachorro dorme debaixo da mesa."),
    ("My mother bakes bread every morning.", "Ma mère fait du pain tous les matins.",
     "Meine Mutter backt jeden Morgen Brot.", "Mi madre hace pan todas las mañanas.",
     "Mia madre fa il pane ogni mattina.", "Minha mãe faz pão todas as manhãs."),
    ("It has been raining since yesterday.", "Il pleut depuis hier.", "Es regnet seit gestern.",
     "Llueve desde ayer.", "Piove da ieri.", "Chove desde ontem."),
    ("The child is afraid of the dark.", "L'enfant a peur du noir.", "Das Kind hat Angst vor der Dunkelheit.",
     "El niño tiene miedo de la oscuridad.", "Il bambino ha paura del buio.", "A criança tem medo do escuro."),
    ("The shop is closed on Sundays.", "Le magasin est fermé le dimanche.", "Das Geschäft ist sonntags geschlossen.",
     "La tienda está cerrada los domingos.", "Il negozio è chiuso la domenica.", "A loja está fechada aos domingos."),
    ("We drank coffee in the kitchen.", "Nous avons bu du café dans la cuisine.",
     "Wir haben in der Küche Kaffee getrunken.", "Bebimos café en la cocina.", "Abbiamo bevuto il caffè in cucina.",
     "Bebemos café na cozinha."),
    ("The river flows into the sea.", "Le fleuve se jette dans la mer.", "Der Fluss fließt ins Meer.",
     "El río desemboca en el mar.", "Il fiume sfocia nel mare.", "O rio deságua no mar."),
    ("The doctor gave me a medicine.", "Le médecin m'a donné un médicament.",
     "Der Arzt hat mir ein Medikament gegeben.", "El médico me dio una medicina.", "Il medico mi ha dato una medicina.",
     "O médico me deu um remédio."),
    ("The key does not fit the lock.", "La clé n'entre pas dans la serrure.", "Der Schlüssel passt nicht ins Schloss.",
     "La llave no entra en la cerradura.", "La chiave non entra nella serratura.", "A chave não entra na fechadura."),
    ("She wrote a long letter to her brother.", "Elle a écrit une longue lettre à son frère.",
     "Sie hat ihrem Bruder einen langen Brief geschrieben.", "Ella escribió una carta larga a su hermano.",
     "Ha scritto una lunga lettera a suo fratello.", "Ela escreveu uma longa carta ao seu irmão."),
    ("The birds fly south in autumn.", "Les oiseaux volent vers le sud en automne.",
     "Die Vögel fliegen im Herbst nach Süden.", "Los pájaros vuelan al sur en otoño.",
     "Gli uccelli volano a sud in autunno.", "Os pássaros voam para o sul no outono."),
    ("The soldiers lost the war.", "Les soldats ont perdu la guerre.", "Die Soldaten haben den Krieg verloren.",
     "Los soldados perdieron la guerra.", "I soldati hanno perso la guerra.", "Os soldados perderam a guerra."),
    ("This house is too expensive for us.", "Cette maison est trop chère pour nous.",
     "Dieses Haus ist zu teuer für uns.", "Esta casa es demasiado cara para nosotros.",
     "Questa casa è troppo cara per noi.", "Esta casa é cara demais para nós."),
    ("The king had no children.", "Le roi n'avait pas d'enfants.", "Der König hatte keine Kinder.",
     "El rey no tenía hijos.", "Il re non aveva figli.", "O rei não tinha filhos."),
    ("I forgot my umbrella on the train.", "J'ai oublié mon parapluie dans le train.",
     "Ich habe meinen Regenschirm im Zug vergessen.", "Olvidé mi paraguas en el tren.",
     "Ho dimenticato l'ombrello sul treno.", "Esqueci meu guarda-chuva no trem."),
    ("The students are reading a book.", "Les étudiants lisent un livre.", "Die Studenten lesen ein Buch.",
     "Los estudiantes leen un libro.", "Gli studenti leggono un libro.", "Os estudantes leem um livro."),
    ("The moon is bright tonight.", "La lune est claire ce soir.", "Der Mond ist heute Nacht hell.",
     "La luna está clara esta noche.", "La luna è chiara stasera.", "A lua está clara esta noite."),
    ("The cow eats grass in the field.", "La vache mange de l'herbe dans le pré.", "Die Kuh frisst Gras auf der Wiese.",
     "La vaca come hierba en el campo.", "La mucca mangia l'erba nel prato.", "A vaca come capim no campo."),
    ("He broke his leg last winter.", "Il s'est cassé la jambe l'hiver dernier.",
     "Er hat sich letzten Winter das Bein gebrochen.", "Se rompió la pierna el invierno pasado.",
     "Si è rotto la gamba l'inverno scorso.", "Ele quebrou a perna no inverno passado."),
    ("The government raised the taxes.", "Le gouvernement a augmenté les impôts.",
     "Die Regierung hat die Steuern erhöht.", "El gobierno subió los impuestos.", "Il governo ha aumentato le tasse.",
     "O governo aumentou os impostos."),
    ("The fire burned the whole forest.", "Le feu a brûlé toute la forêt.", "Das Feuer hat den ganzen Wald verbrannt.",
     "El fuego quemó todo el bosque.", "Il fuoco ha bruciato tutto il bosco.", "O fogo queimou toda a floresta."),
    ("My grandfather tells old stories.", "Mon grand-père raconte de vieilles histoires.",
     "Mein Großvater erzählt alte Geschichten.", "Mi abuelo cuenta historias antiguas.",
     "Mio nonno racconta vecchie storie.", "Meu avô conta histórias antigas."),
    ("The ship left the harbour at night.", "Le bateau a quitté le port pendant la nuit.",
     "Das Schiff verließ den Hafen in der Nacht.", "El barco salió del puerto de noche.",
     "La nave ha lasciato il porto di notte.", "O navio deixou o porto à noite."),
    ("Water is more important than gold.", "L'eau est plus importante que l'or.", "Wasser ist wichtiger als Gold.",
     "El agua es más importante que el oro.", "L'acqua è più importante dell'oro.",
     "A água é mais importante que o ouro."),
    ("The window is open and I am cold.", "La fenêtre est ouverte et j'ai froid.",
     "Das Fenster ist offen, und mir ist kalt.", "La ventana está abierta y tengo frío.",
     "La finestra è aperta e ho freddo.", "A janela está aberta e estou com frio."),
    ("The teacher asked a difficult question.", "Le professeur a posé une question difficile.",
     "Der Lehrer hat eine schwierige Frage gestellt.", "El profesor hizo una pregunta difícil.",
     "L'insegnante ha fatto una domanda difficile.", "O professor fez uma pergunta difícil."),
    ("They are building a new bridge.", "Ils construisent un nouveau pont.", "Sie bauen eine neue Brücke.",
     "Están construyendo un puente nuevo.", "Stanno costruendo un nuovo ponte.",
     "Eles estão construindo uma ponte nova."),
    ("The cat caught a mouse.", "Le chat a attrapé une souris.", "Die Katze hat eine Maus gefangen.",
     "El gato atrapó un ratón.", "Il gatto ha preso un topo.", "O gato pegou um rato."),
    ("The soup needs more salt.", "La soupe manque de sel.", "Die Suppe braucht mehr Salz.",
     "La sopa necesita más sal.", "La zuppa ha bisogno di più sale.", "A sopa precisa de mais sal."),
    ("Your shirt is dirty.", "Ta chemise est sale.", "Dein Hemd ist schmutzig.", "Tu camisa está sucia.",
     "La tua camicia è sporca.", "Sua camisa está suja."),
    ("The old woman lives alone.", "La vieille femme vit seule.", "Die alte Frau lebt allein.",
     "La anciana vive sola.", "La vecchia vive da sola.", "A velha vive sozinha."),
    ("We will travel by plane next summer.", "Nous voyagerons en avion l'été prochain.",
     "Wir werden nächsten Sommer mit dem Flugzeug reisen.", "Viajaremos en avión el próximo verano.",
     "Viaggeremo in aereo la prossima estate.", "Viajaremos de avião no próximo verão."),
    ("The judge sent the thief to prison.", "Le juge a envoyé le voleur en prison.",
     "Der Richter hat den Dieb ins Gefängnis geschickt.", "El juez envió al ladrón a la cárcel.",
     "Il giudice ha mandato il ladro in prigione.", "O juiz mandou o ladrão para a prisão."),
    ("The apple fell from the tree.", "La pomme est tombée de l'arbre.", "Der Apfel ist vom Baum gefallen.",
     "La manzana cayó del árbol.", "La mela è caduta dall'albero.", "A maçã caiu da árvore."),
    ("He does not want to dance with her.", "Il ne veut pas danser avec elle.", "Er will nicht mit ihr tanzen.",
     "Él no quiere bailar con ella.", "Lui non vuole ballare con lei.", "Ele não quer dançar com ela."),
    ("The snow covers the mountains.", "La neige couvre les montagnes.", "Der Schnee bedeckt die Berge.",
     "La nieve cubre las montañas.", "La neve copre le montagne.", "A neve cobre as montanhas."),
    ("The workers are tired and hungry.", "Les ouvriers sont fatigués et ont faim.",
     "Die Arbeiter sind müde und hungrig.", "Los obreros están cansados y tienen hambre.",
     "Gli operai sono stanchi e affamati.", "Os operários estão cansados e com fome."),
    ("The film was boring.", "Le film était ennuyeux.", "Der Film war langweilig.", "La película fue aburrida.",
     "Il film era noioso.", "O filme foi chato."),
    ("I do not believe what you say.", "Je ne crois pas ce que tu dis.", "Ich glaube nicht, was du sagst.",
     "No creo lo que dices.", "Non credo a quello che dici.", "Não acredito no que você diz."),
    ("The flowers in the garden are red.", "Les fleurs du jardin sont rouges.", "Die Blumen im Garten sind rot.",
     "Las flores del jardín son rojas.", "I fiori del giardino sono rossi.", "As flores do jardim são vermelhas."),
)  # fmt: skip


def translations() -> Iterator[Translated]:
    """Every sentence in every language, sentence by sentence."""
    for sentence, texts in enumerate(_SENTENCES):
        for language, text in zip(LANGUAGES, texts, strict=True):
            yield Translated(text=text, sentence=sentence, language=language)
